"""Why a file was not read, in German: patterns of `source_files.reason`, whose groups stand in the sentence again.

Names, columns and what a library says of a broken file stay as they are. In English the reason is what the table holds.
"""

REASONS: tuple[tuple[str, str], ...] = (
    (r"the last line is not complete yet", "die letzte Zeile ist noch nicht vollständig"),
    (r"the header line is not complete yet", "die Kopfzeile ist noch nicht vollständig"),
    (
        r"the last rows are understood by what follows them: a repeated hour, or a row at midnight",
        "die letzten Zeilen erklären sich erst durch die folgenden: doppelte Stunde oder Zeile um Mitternacht",
    ),
    (r"the file is gone; its rows are kept", "die Datei ist weg; ihre Zeilen bleiben"),
    (
        r"the file belongs to (\S+), which has its rows now",
        "die Datei gehört zu {}; dort stehen ihre Zeilen",
    ),
    (r"the file holds no rows", "die Datei hat keine Zeilen"),
    (r"header only: the file holds no rows", "nur ein Kopf: die Datei hat keine Zeilen"),
    (r"the file is empty", "die Datei ist leer"),
    (r"cannot read (.+): (.+); check its permissions", "{} ist nicht lesbar: {}; Rechte der Datei prüfen"),
    (r"(.+) is not a complete gzip file: (.+); copy it again", "{} ist kein ganzes gzip: {}; neu kopieren"),
    (
        r"(.+) holds (\S+) files; allowed is exactly one CSV per zip",
        "{} enthält {} Dateien; erlaubt ist genau eine CSV",
    ),
    (
        r"(.+) is not a readable zip file: (.+); copy it again, without a password",
        "{} ist kein lesbares zip: {}; neu kopieren, ohne Passwort",
    ),
    (r"not a readable Parquet file: (.+); copy it again", "keine lesbare Parquet-Datei: {}; neu kopieren"),
    (
        r"a value column is of type (.+); allowed are numbers and booleans",
        "eine Wertspalte ist vom Typ {}; erlaubt sind Zahlen und Wahrheitswerte",
    ),
    (
        r"the time column is of type (.+); allowed are timestamps, dates, texts, or numbers with an epoch format",
        "die Zeitspalte ist vom Typ {}; erlaubt sind Zeitpunkte, Tage, Texte oder Zahlen mit epoch_s oder epoch_ms",
    ),
    (
        r"time_format = (.+), but the time column holds numbers \((.+)\); allowed for numbers: epoch_s, epoch_ms; it "
        r'looks like time_format = "(.+)"',
        'time_format = {}, aber die Zeitspalte enthält Zahlen ({}); erlaubt für Zahlen: epoch_s, epoch_ms; es sieht '
        'aus wie time_format = "{}"',
    ),
    (
        r"the file is described as or starts like (\S+) but is not: (.+); save it as UTF-8",
        "die Datei ist als {} beschrieben oder beginnt so, ist es aber nicht: {}; als UTF-8 speichern",
    ),
    (
        r"the header is not (\S+): (.+); set `encoding` in a \[\[source\]\] block, e\.g\. 'latin-1'",
        "der Kopf ist kein {}: {}; `encoding` in einem [[source]]-Block setzen, etwa 'latin-1'",
    ),
    (
        r"the header line cannot be split into names: (.+); it begins with (.+)",
        "die Kopfzeile lässt sich nicht in Namen teilen: {}; sie beginnt mit {}",
    ),
    (
        r"no time column: found (.+), allowed (.+); describe the file by a \[\[source\]\] block with time_column "
        r"\(`energy-pipeline doctor` proposes one\)",
        "keine Zeitspalte: gefunden {}, erlaubt {}; die Datei mit time_column in einem [[source]]-Block beschreiben "
        "(`energy-pipeline doctor` schlägt einen vor)",
    ),
    (
        r"several \S+ give the same signal (.+?): (.+); give each its own name in source\.columns",
        "mehrere ergeben dasselbe Signal {}: {}; jeder einen eigenen Namen in source.columns geben",
    ),
    (
        r"source (.+?): (\S+) = (.+) is not in the file; found (.+)",
        "Quelle {}: {} = {} steht nicht in der Datei; gefunden {}",
    ),
    (
        r"source (.+?): columns (.+) are not in the file; found (.+); correct the names in source\.columns, or use "
        r"`match` for columns that may be missing",
        "Quelle {}: Spalten {} stehen nicht in der Datei; gefunden {}; Namen in source.columns berichtigen oder "
        "`match` für Spalten nehmen, die fehlen dürfen",
    ),
    (
        r"no value column: found (.+); source (.+) reads (.+)",
        "keine Wertspalte: gefunden {}; die Quelle {} liest {}",
    ),
    (
        r'source (.+?): kind "interval" needs interval_s, the length of a row in seconds; (.+) has none; write '
        r"interval_s in the file's \[\[source\]\] block",
        'Quelle {}: kind "interval" braucht interval_s, die Länge einer Zeile in Sekunden; {} hat keine; interval_s '
        "in den [[source]]-Block der Datei schreiben",
    ),
    (
        r'source (.+?): kind "interval" needs interval_s, the length of a row in seconds; (.+) has none; write '
        r"interval_s in the file's \[\[source\]\] block; its rows are (\S+) s apart \((\S+) of (\S+) steps\): if that "
        r"is so, interval_s = (\S+)",
        'Quelle {}: kind "interval" braucht interval_s, die Länge einer Zeile in Sekunden; {} hat keine; interval_s '
        "in den [[source]]-Block der Datei schreiben; ihre Zeilen liegen {} s auseinander ({} von {} Schritten): wenn "
        "das stimmt, interval_s = {}",
    ),
    (
        r"set aside: reading it failed (\S+) times with (.+); mend the file, or report it with this message; any "
        r"change of the file is tried again",
        "beiseitegelegt: das Lesen schlug {}-mal fehl mit {}; die Datei in Ordnung bringen oder mit dieser Meldung "
        "melden; jede Änderung der Datei wird neu versucht",
    ),
    (
        r"set aside: (\S+) times the process ended while it was read \(memory may have run out\); split or mend the "
        r"file; any change of it is tried again",
        "beiseitegelegt: {}-mal endete der Prozess beim Lesen (vielleicht zu wenig Speicher); die Datei teilen oder in "
        "Ordnung bringen; jede Änderung wird neu versucht",
    ),
)
