"""Every text exists in both languages, and numbers and dates are written as each language does."""

import ast
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from energy_pipeline.compute import findings, layout, meter_findings, reader
from energy_pipeline.guards import GUARDS
from energy_pipeline.loading import attempts, files, load
from energy_pipeline.loading.plan import LAST_LINE, OPEN_END
from energy_pipeline.resources import raw_files
from tests.conftest import Site
from viewer.check_texts import check_advice, check_limit, check_sentence, file_reason
from viewer.pages import PAGES
from viewer.selection import PAGES as NAMES
from viewer.selection import RANGES
from viewer.texts import Texts, UnknownText
from viewer.words import ALL, ONE, PARTS

VIEWER = Path(__file__).parents[2] / "viewer"
DE, EN = Texts("de"), Texts("en")
# They look like keys, but name a header, a field of a request, and files.
NOT_WORDS = {"energy.user_known", "energy.head", "report.html", "page.html.j2"}


def keys_in_code() -> set[str]:
    groups = {k.split(".")[0] for k in ALL}
    found: set[str] = set()
    for file in VIEWER.rglob("*.py"):
        if "words" not in file.parts:
            found |= set(re.findall(r'"([a-z0-9_]+(?:\.[a-z0-9_]+)+)"', file.read_text(encoding="utf-8")))
    return {k for k in found if k.split(".")[0] in groups} - NOT_WORDS


def test_every_key_that_the_code_names_has_words() -> None:
    assert keys_in_code() - set(ALL) == set()


def test_every_key_stands_in_one_dictionary_only() -> None:
    assert sum(len(p) for p in PARTS) == len(ALL)


@pytest.mark.parametrize("key", sorted(ALL))
def test_both_languages_have_the_same_fields(key: str) -> None:
    german, english = ({f for _, f, _, _ in Formatter().parse(text) if f} for text in ALL[key])
    assert german == english
    assert bool(ALL[key][0]) == bool(ALL[key][1])


@pytest.mark.parametrize("key", sorted(ONE))
def test_the_words_for_one_stand_in_for_a_text_that_counts(key: str) -> None:
    for many, one in zip(ALL[key], ONE[key], strict=True):
        fields = {f for _, f, _, _ in Formatter().parse(many) if f}
        assert "n" in fields
        assert {f for _, f, _, _ in Formatter().parse(one) if f} | {"n"} == fields


def test_one_is_counted_in_the_singular_and_no_word_offers_both() -> None:
    assert [DE("status.cells_falling", n=n) for n in (1, 2)] == ["1 Zelle fällt", "2 Zellen fallen"]
    assert [EN("bess.charges", n=n) for n in ("0", "1", "11")] == ["0 charges", "1 charge", "11 charges"]
    assert [key for key, texts in ALL.items() for text in texts if re.search(r"\w\((n|en|e|s)\)", text)] == []


def test_pages_and_ranges_have_names() -> None:
    assert list(PAGES) == list(NAMES)
    for lang in (DE, EN):
        assert all(lang(f"page.{p}") for p in PAGES)
        assert all(lang(f"range.{r}") for r in RANGES)


def test_every_check_has_its_sentence_and_its_advice_in_both_languages() -> None:
    for check in {g.check for g in GUARDS}:
        sentences = {check_sentence(check, t) for t in (DE, EN)}
        assert len(sentences) == 2, check
        assert "_" not in check_sentence(check, DE).replace("first_month", "")
        assert check_advice(check, "what the table says", EN) == "what the table says"
        assert check_advice(check, "what the table says", DE) != "what the table says", check
    assert check_sentence("a_new_one", DE) == "a new one"
    assert check_advice("a_new_one", "do this", DE) == "do this"


def test_the_advice_in_english_is_that_of_the_checks_themselves() -> None:
    said = set()
    for module in (findings, meter_findings):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        said |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    for check in {g.check for g in GUARDS} - {"rows_fit_the_schema"}:  # whose advice names its table
        assert EN(f"advice.{check}") in said, check


def limits_in_code() -> list[str]:
    """Return what the checks say they allow, with a 7 for each number."""

    def written(part: ast.expr) -> str:
        if isinstance(part, ast.Constant):
            return part.value
        if ast.unparse(part.value) == "found":
            return "largest difference found 7 kWh"
        return "7%" if part.format_spec and ast.unparse(part.format_spec).endswith("%'") else "7"

    calls = [
        node for module in (findings, meter_findings)
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding"
    ]
    limits = [call.args[2] for call in calls]
    return ["".join(map(written, limit.values if isinstance(limit, ast.JoinedStr) else [limit])) for limit in limits]


def test_what_a_check_allows_has_german_words_with_its_numbers() -> None:
    limits = limits_in_code()
    assert len(limits) >= len({g.check for g in GUARDS})
    assert [limit for limit in limits if check_limit(limit, DE) == limit] == []
    assert [limit for limit in limits if check_limit(limit, EN) != limit] == []
    assert check_limit("2.5 to 3.65 V", DE) == "2,5 bis 3,65 V"
    assert check_limit("from 2015-01-01 to one day ahead of the clock", DE).startswith("von 2015-01-01 bis")
    assert check_limit("a sentence of a later version", DE) == "a sentence of a later version"
    assert check_limit(None, DE) == ""


def sentence(text: ast.expr, where: ast.AST) -> str:
    """Return a message as it is written, with a 7 for what is put in; `where` is the function that says it."""
    if isinstance(text, ast.Name):
        named = [n.value for n in ast.walk(where) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == text.id]
        texts = [v for v in named if isinstance(v, ast.Constant | ast.JoinedStr) and v.lineno < text.lineno]
        text = max(texts, key=lambda v: v.lineno)
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(p.value if isinstance(p, ast.Constant) else "7" for p in parts)


def reasons_in_code() -> set[str]:
    """Return why a file is not read, as the modules that read files say it."""
    found = {LAST_LINE, OPEN_END, "the file is gone; its rows are kept"}
    says = {"LayoutError": 0, "HeaderPendingError": 0, "IntervalLengthError": 0, "failed": 1, "empty": 1}
    for module in (layout, reader, files, raw_files, attempts, load):
        for function in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
                place = says.get(ast.unparse(call.func).rpartition(".")[2])
                text = None if place is None or len(call.args) <= place else call.args[place]
                if isinstance(text, ast.Constant | ast.JoinedStr | ast.Name):
                    found.add(sentence(text, function))
    return found - {"77"}  # a message of its own and what stands in the rows


def test_why_a_file_was_not_read_has_german_words_with_what_was_found() -> None:
    reasons = reasons_in_code()
    assert len(reasons) > 20
    assert [r for r in reasons if file_reason(r, DE) == r] == []
    assert [r for r in reasons if file_reason(r, EN) != r] == []
    assert file_reason("a.zip holds 3 files; allowed is exactly one CSV per zip", DE) == (
        "a.zip enthält 3 Dateien; erlaubt ist genau eine CSV"
    )
    assert file_reason("a reason of a later version", DE) == "a reason of a later version"
    assert file_reason(None, DE) is None


def test_the_reasons_of_real_broken_files_have_german_words(site: Callable[..., Site]) -> None:
    toml = (
        '[[source]]\nname = "s"\nglob = "*wide*"\ntime_column = "t"\ncolumns = [{ column = "a", signal = "x", '
        'kind = "interval" }]\n'
    )
    broken: dict[str, str | bytes] = {
        "com_ap.csv": "a,b\n1,2\n", "twice.csv": "ts,com_ap,COM_AP\n2025-01-01 00:00:00,1,2\n", "empty.csv": "",
        "x.csv.gz": b"no gzip", "y.zip": b"no zip", "z.parquet": b"no parquet", "head.csv": "ts,com_ap\n",
        "latin.csv": b"ts,\xe4\n", "wide.csv": "t,a\n2025-01-01 00:00:00,1\n2025-01-01 00:15:00,1\n",
        "wide2.csv": "t,b\n2025-01-01 00:00:00,1\n", "only.csv": "ts\n2025-01-01 00:00:00\n",
    }  # fmt: skip
    plant = site({f"m1/{name}": content for name, content in broken.items()}, toml)
    plant.load()
    found = plant.lake.read("source_files").select("path", "reason").rows()
    assert len(found) == len(broken)
    assert all(reason for _, reason in found)
    assert [r for _, r in found if file_reason(r, DE) == r] == []


def test_months_weeks_and_years_are_written_as_the_language_does() -> None:
    assert [DE.month(v) for v in ("2024-09", "2024-W05", "2024", date(2024, 9, 1))] == [
        "09.2024", "2024, KW 05", "2024", "09.2024",
    ]  # fmt: skip
    assert [EN.month(v) for v in ("2024-09", "2024-W05", "2024")] == ["2024-09", "2024-W05", "2024"]


def test_an_unknown_key_is_an_error_and_not_an_empty_screen() -> None:
    with pytest.raises(UnknownText):
        DE("nothing.here")


@pytest.mark.parametrize(
    ("value", "digits", "german", "english"),
    [
        (1234567.891, 1, "1.234.567,9", "1,234,567.9"),
        (-0.04, 1, "0,0", "0.0"),
        (-2.5, 1, "−2,5", "−2.5"),
        (0.0, None, "0", "0"),
        (0.00024, None, "0,000240", "0.000240"),
        (None, 2, "–", "–"),
        (float("nan"), 2, "–", "–"),
    ],
)
def test_numbers_follow_the_language(value: float | None, digits: int | None, german: str, english: str) -> None:
    assert DE.number(value, digits) == german
    assert EN.number(value, digits) == english


def test_large_units_are_scaled() -> None:
    assert DE.with_unit(18_700.0, "kWh") == "18,70 MWh"
    assert EN.with_unit(999.0, "kW") == "999 kW"


def test_dates_are_local() -> None:
    moment = datetime(2025, 6, 30, 22, 30, tzinfo=UTC)
    assert DE.datetime(moment, ZoneInfo("Europe/Berlin")) == "01.07.2025 00:30"
    assert EN.date(date(2025, 7, 1)) == "2025-07-01"


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert DE.code("verdict", "falling") == "fällt"
    assert DE.code("verdict", "brand_new") == "brand_new"


def test_a_typed_number_is_read_in_the_language_of_the_page() -> None:
    de, en = Texts("de"), Texts("en")
    assert (de.parsed("3,415"), de.parsed("3.415"), de.parsed("−12,5")) == (3.415, 3.415, -12.5)
    assert (en.parsed("3.415"), en.parsed("1,200.5")) == (3.415, 1200.5)
    assert (de.parsed("drei"), de.parsed(""), en.parsed("nan"), en.parsed("inf")) == (None, None, None, None)
