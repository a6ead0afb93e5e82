"""Files of every kind become the planted rows; whatever is wrong is refused with reason and line, the rest counts."""

import io
import zipfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.compute import reader
from energy_pipeline.compute.layout import DEFAULT_SOURCE, LayoutError, resolve_layout, split_header
from energy_pipeline.compute.lines import Lines
from energy_pipeline.compute.reader import read_csv_chunk
from energy_pipeline.compute.reasons import REASONS
from energy_pipeline.compute.rows import interpret
from energy_pipeline.compute.zones import NOTHING_BEFORE
from energy_pipeline.settings import Source
from tests.conftest import NOW_S, assert_closed

pytestmark = pytest.mark.filterwarnings("error")

BERLIN = ZoneInfo("Europe/Berlin")
LIMITS = (int(datetime(2018, 1, 1, tzinfo=UTC).timestamp() * 1e6), int((NOW_S + 86400) * 1e6))


def us(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


def parse(text, source=DEFAULT_SOURCE, previous=NOTHING_BEFORE):
    data = text.encode() if isinstance(text, str) else text
    head, body = data.split(b"\n", 1)
    layout = resolve_layout(split_header(head.decode(), source), source, BERLIN)
    return interpret(read_csv_chunk(body, layout, 2), layout, LIMITS, previous)


def block(**changes):
    return Source(name="s", glob="*", **changes)


def rows(chunk, signal="com_ap"):
    part = chunk.signals[signal]
    return list(zip(part.ts.tolist(), part.value.tolist(), strict=True))


def refused(chunk):
    return chunk.rejects.select("line", "signal", "reason").rows()


GOOD = "ts,com_ap\n2024-06-01 00:00:00,1.5\n2024-06-01 00:01:00,-2\n"
PLANTED = [(us("2024-05-31 22:00:00"), 1.5), (us("2024-05-31 22:01:00"), -2.0)]


@pytest.mark.parametrize(
    "text",
    [
        GOOD, GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD.replace("ts", "TS"), GOOD.replace("ts", "timestamp"),
        GOOD.replace("00,1.5", "00,1.5\n\n\n"), GOOD[:-1], GOOD.replace(" 00:", "T00:"),
        GOOD.replace("1.5", '"1.5"').replace("2024-06-01 00:00:00", '"2024-06-01 00:00:00"'),
        GOOD.replace("com_ap", " Com_AP "), GOOD.replace("1.5", " 1.5 "), GOOD.replace(":00:00,", ":00,"),
        GOOD.replace("00:00:00,", "00:00:00.000000,"), GOOD.replace("00:01:00,", "00:01:00.000,"),
        GOOD.replace("1.5", "+1.5"), GOOD.replace("1.5", "15e-1"),
    ],
)
def test_good_files_of_many_looks_give_the_same_rows(text):
    chunk = parse(text)
    assert rows(chunk) == PLANTED
    assert chunk.rejects.is_empty()


def test_epochs_offsets_and_z_are_instants_already():
    for style, one, two in (
        ("epoch_s", "1717192800", "1717192860"), ("epoch_s", "1717192800.0", "1.71719286e9"),
        ("epoch_ms", "1717192800000", "1717192860000"),
        ("iso", "2024-05-31T22:00:00Z", "2024-05-31T22:01:00Z"),
        ("iso", "2024-06-01T00:00:00+02:00", "2024-06-01T00:01:00+0200"),
        ("iso", "2024-05-31 12:00:00-10", "2024-06-01 00:01:00"),
        ("%d.%m.%Y %H:%M", "01.06.2024 00:00", "01.06.2024 00:01"),
        ("%d/%m/%Y %H:%M:%S", "01/06/2024 00:00:00", "01/06/2024 00:01:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-06-01T00:00:00+0200", "2024-05-31T22:01:00+0000"),
    ):
        chunk = parse(f"ts,com_ap\n{one},1.5\n{two},-2\n", block(time_format=style))
        assert rows(chunk) == PLANTED, style


def test_decimal_comma_and_semicolon_are_settings():
    source = block(separator=";", decimal=",")
    chunk = parse("ts;com_ap\n2024-06-01 00:00:00;1,5\n2024-06-01 00:01:00;-2\n", source)
    assert rows(chunk) == PLANTED
    mixed = parse("ts;com_ap\n2024-06-01 00:00:00;1,5\n2024-06-01 00:00:30;1.234,5\n2024-06-01 00:01:00;-2\n", source)
    assert rows(mixed) == PLANTED
    assert refused(mixed) == [(3, "com_ap", "unparsable_value")]


@pytest.mark.parametrize("time", ["31.06.2024 00:00", "30.02.2024 00:00", "01.13.2024 00:00", "1.6.2024 0:0 x", ""])
def test_a_date_that_the_calendar_does_not_have_is_refused_in_every_format(time):
    chunk = parse(f"ts,com_ap\n01.06.2024 00:00,1.5\n{time},7\n01.06.2024 00:01,-2\n",
                  block(time_format="%d.%m.%Y %H:%M"))
    assert rows(chunk) == PLANTED
    assert refused(chunk) == [(3, "com_ap", "unparsable_time")]


def test_end_labels_are_moved_to_the_start_of_their_interval():
    chunk = parse("ts,com_ap\n2024-06-01 00:15:00,1.5\n", block(label="end", interval_s=900.0))
    assert rows(chunk) == PLANTED[:1]


def test_factor_offset_sign_sentinel_and_range_apply_in_the_order_that_the_settings_say():
    source = block(columns=[{"column": "x", "signal": "com_ap", "factor": 0.5, "sign": -1, "offset": 10,
                             "sentinels": [255, 511], "range": [-10, 20]}])
    chunk = parse("ts,x\n2024-06-01 00:00:00,4\n2024-06-01 00:01:00,255\n2024-06-01 00:02:00,511.0\n"
                  "2024-06-01 00:03:00,100\n2024-06-01 00:04:00,-20\n", source)
    assert [v for _, v in rows(chunk)] == [8.0, 20.0]
    assert refused(chunk) == [(3, "com_ap", "sentinel"), (4, "com_ap", "sentinel"), (5, "com_ap", "out_of_range")]


def test_a_value_that_its_factor_makes_infinite_is_refused_without_a_warning(recwarn):
    source = block(columns=[{"column": "x", "signal": "own", "factor": 1000}])
    chunk = parse("ts,x\n2024-06-01 00:00:00,4\n2024-06-01 00:01:00,1e308\n2024-06-01 00:02:00,inf\n", source)
    long = parse("ts,what,v,f\n2024-06-01 00:00:00,P,15,0.1\n2024-06-01 00:01:00,P,inf,0\n"
                 "2024-06-01 00:02:00,P,1e308,10\n", LONG)
    assert [v for _, v in rows(chunk, "own")] == [4000.0]
    assert refused(chunk) == [(3, "own", "not_finite"), (4, "own", "not_finite")]
    assert [v for _, v in rows(long)] == [1.5]
    assert [r for _, _, r in refused(long)] == ["not_finite", "not_finite"]
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


LONG = block(key_column="what", value_column="v", factor_column="f",
             columns=[{"column": "P", "signal": "com_ap"}, {"column": "E", "signal": "pos_ae"}])


def test_long_files_are_split_by_key_and_scaled_per_row():
    chunk = parse("ts,what,v,f\n2024-06-01 00:00:00,P,15,0.1\n2024-06-01 00:00:00,E,7,10\n"
                  "2024-06-01 00:00:30,other,7,10\n2024-06-01 00:01:00, P ,-1,2\n", LONG)
    assert rows(chunk) == PLANTED
    assert [v for _, v in rows(chunk, "pos_ae")] == [70]
    assert chunk.rejects.is_empty()


def test_keys_are_the_same_with_and_without_a_bad_row_beside_them():
    clean = "ts,what,v,f\n2024-06-01 00:00:00,P ,15,0.1\n2024-06-01 00:01:00,P,-1,2\n"
    dirty = clean + "2024-06-01 00:02:00,P,x,2\n"
    assert rows(parse(clean, LONG)) == rows(parse(dirty, LONG)) == PLANTED


def test_a_torn_row_of_a_long_file_is_refused_even_where_its_signal_cannot_be_told():
    chunk = parse("ts,what,v,f\n2024-06-01 00:00:00,P,15,0.1\n2024-06-01 00:00:30\n2024-06-01 00:00:40,P\n", LONG)
    assert sorted(refused(chunk), key=str) == [(3, None, "wrong_field_count"), (4, "com_ap", "wrong_field_count")]


BAD = [
    ("2024-06-01 00:00:30,text", "unparsable_value"), ("2024-06-01 00:00:30,", "missing_value"),
    ("2024-06-01 00:00:30,nan", "not_finite"), ("2024-06-01 00:00:30,NaN", "not_finite"),
    ("2024-06-01 00:00:30,inf", "not_finite"), ("2024-06-01 00:00:30,-inf", "not_finite"),
    ("2024-06-01 00:00:30,1e999", "not_finite"), ("2024-06-01 00:00:30,NA", "unparsable_value"),
    ("2024-06-01 00:00:30,null", "unparsable_value"), ("2024-06-01 00:00:30,0x10", "unparsable_value"),
    ("2024-06-01 00:00:30", "wrong_field_count"), ("2024-06-01 00:00:30,1,2", "wrong_field_count"),
    ("2024-06-01 00:00:30;1", "wrong_field_count"), ("   ", "wrong_field_count"),
    ("01.06.2024 00:00,1", "unparsable_time"), (",1", "unparsable_time"), ("2024-06-31 00:00:00,1", "unparsable_time"),
    ("2024-06-01 25:00:00,1", "unparsable_time"), ("2024-13-01 00:00:00,1", "unparsable_time"),
    ("1717192800,1", "unparsable_time"), ("0000-00-00 00:00:00,1", "unparsable_time"),
    ("0001-01-01 00:00:00,1", "out_of_time_range"), ("9999-12-31 23:59:59,1", "out_of_time_range"),
    ("1970-01-01 00:00:00,1", "out_of_time_range"), ("2017-12-31 23:59:59,1", "out_of_time_range"),
    ("2025-02-01 00:00:00,1", "out_of_time_range"), ("2024-03-31 02:30:00,1", "nonexistent_local_time"),
    ("2024-06-01 00:00:30,200000", "out_of_range"),
    ('"2024-06-01 00:00:30,1', "wrong_field_count"),
]


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_a_bad_row_is_refused_with_reason_and_line_and_the_others_count(row, reason):
    chunk = parse(GOOD.replace("2024-06-01 00:01", f"{row}\n2024-06-01 00:01"))
    assert rows(chunk) == PLANTED
    assert refused(chunk) == [(3, "com_ap", reason)]
    assert chunk.rejects["raw"].to_list() == [row]
    part = chunk.signals["com_ap"]
    assert (part.rows_read, part.rows_rejected) == (3, 1)
    assert reason in REASONS


def test_a_bad_row_at_the_start_or_alone_is_refused_as_well():
    for row, reason in BAD:
        if row.strip() == "":
            continue
        chunk = parse(f"ts,com_ap\n{row}\n")
        assert refused(chunk) == [(2, "com_ap", reason)], row
        chunk = parse(f"ts,com_ap\n{row}\n" + GOOD.split("\n", 1)[1])
        assert refused(chunk) == [(2, "com_ap", reason)], row
        assert rows(chunk) == PLANTED, row


@pytest.mark.parametrize("row", [b"2024-06-01 00:00:30,1\xff", b"2024-06-01\xe4 00:00:30,1"])
def test_bytes_that_are_no_text_are_refused_and_shown_escaped(row):
    chunk = parse(GOOD.encode().replace(b"2024-06-01 00:01", row + b"\n2024-06-01 00:01"))
    assert rows(chunk) == PLANTED
    assert refused(chunk) == [(3, "com_ap", "bad_encoding")]
    assert "\\x" in chunk.rejects["raw"][0]


def test_bytes_in_a_column_that_nobody_reads_do_not_matter_with_or_without_another_bad_row():
    source = block(columns=[{"column": "com_ap", "signal": "com_ap"}])
    text = b"ts,com_ap,note\n2024-06-01 00:00:00,1.5,St\xf6rung\n2024-06-01 00:01:00,-2,\n"
    assert rows(parse(text, source)) == PLANTED
    chunk = parse(text + b"2024-06-01 00:02:00,x,\n", source)
    assert rows(chunk) == PLANTED
    assert refused(chunk) == [(4, "com_ap", "unparsable_value")]


def test_other_encodings_are_a_setting():
    source = block(encoding="latin-1", columns=[{"column": "Störung", "signal": "com_ap"}])
    text = "ts,Störung\n2024-06-01 00:00:00,1.5\n2024-06-01 00:01:00,-2\n".encode("latin-1")
    layout = resolve_layout(split_header(text.split(b"\n")[0].decode("latin-1"), source), source, BERLIN)
    chunk = interpret(read_csv_chunk(text.split(b"\n", 1)[1], layout, 2), layout, LIMITS)
    assert rows(chunk) == PLANTED


def test_a_quote_left_open_in_an_unread_column_swallows_no_rows():
    source = block(columns=[{"column": "com_ap", "signal": "com_ap"}])
    text = 'ts,com_ap,note\n2024-06-01 00:00:00,1.5,"open\n2024-06-01 00:01:00,-2,shut"\n2024-06-01 00:02:00,3,x\n'
    chunk = parse(text, source)
    assert sum(p.rows_read for p in chunk.signals.values()) == 3
    assert chunk.signals["com_ap"].rows_read == len(rows(chunk)) + len(chunk.rejects)


def test_a_lone_carriage_return_inside_a_file_makes_no_second_row_out_of_a_line():
    text = GOOD.replace(",1.5\n", ",1.5\r2024-06-01 00:00:30,9\n") + "2024-06-01 00:02:00,bad\n"
    chunk = parse(text)
    assert [r[0] for r in refused(chunk)] == [2, 4]
    assert rows(chunk) == PLANTED[1:]
    clean = parse(GOOD.replace(",1.5\n", ",1.5\r2024-06-01 00:00:30,9\n"))
    assert rows(clean) == PLANTED[1:]


def test_line_numbers_count_blank_lines():
    chunk = parse("ts,com_ap\n\n\r\n2024-06-01 00:00:00,1.5\n\n2024-06-01 00:00:30,x\n2024-06-01 00:01:00,-2\n")
    assert refused(chunk) == [(6, "com_ap", "unparsable_value")]
    assert rows(chunk) == PLANTED


def test_wide_files_leave_out_empty_cells_and_refuse_a_torn_row_for_every_signal():
    chunk = parse("ts,com_ap,pf\n2024-06-01 00:00:00,1.5,\n2024-06-01 00:01:00,-2,0.5\n2024-06-01 00:02:00,1\n"
                  "2024-06-01 00:03:00,,x\n")
    assert rows(chunk) == PLANTED
    assert rows(chunk, "pf") == [(PLANTED[1][0], 0.5)]
    assert sorted(refused(chunk)) == [(4, "com_ap", "wrong_field_count"), (4, "pf", "wrong_field_count"),
                                      (5, "pf", "unparsable_value")]


def test_midnight_rows_with_the_old_date_are_moved_or_refused_as_the_settings_say():
    day = [f"2024-06-{d:02d} {m // 60:02d}:{m % 60:02d}:00" for d in (1, 2) for m in (*range(15, 1440, 15), 0)]
    text = "ts,com_ap\n" + "".join(f"{t},{i}\n" for i, t in enumerate(day))
    moved = parse(text, block(midnight="next_day"))
    assert np.diff(moved.signals["com_ap"].ts).tolist() == [900_000_000] * 191
    auto = parse(text)
    assert [r for *_, r in refused(auto)] == ["midnight_label"] * 2
    assert len(rows(auto)) == 190
    written = parse(text, block(midnight="as_written"))
    assert written.rejects.is_empty()


def test_late_rows_around_midnight_are_no_midnight_labels():
    texts = ["2024-06-01 23:58:00", "2024-06-02 00:01:00", "2024-06-02 00:00:00", "2024-06-02 00:02:00",
             "2024-06-02 23:59:00", "2024-06-02 00:00:00", "2024-06-02 00:01:00"]
    chunk = parse("ts,com_ap\n" + "".join(f"{t},1\n" for t in texts))
    assert chunk.rejects.is_empty()


def test_a_header_that_cannot_be_used_says_what_was_found_and_what_to_do():
    for header, source, words in (
        ("a,b", DEFAULT_SOURCE, ("no time column", "'a', 'b'", "[[source]]")),
        ("ts", DEFAULT_SOURCE, ("no value column",)), ("ts,a,A", DEFAULT_SOURCE, ("several columns", "a")),
        ("ts,x", block(columns=[{"column": "y", "signal": "z"}]), ("no value column", "'x'", "'y'")),
        ("ts,v", block(key_column="k", value_column="v", columns=LONG.columns), ("key_column = 'k'", "'v'")),
        ("when,v", block(time_column="zeit"), ("'zeit'", "'when'")),
    ):
        with pytest.raises(LayoutError) as error:
            resolve_layout(split_header(header, source), source, BERLIN)
        assert all(w in str(error.value) for w in words), str(error.value)


TIMES = st.datetimes(datetime(2019, 1, 1), datetime(2024, 12, 31)).map(lambda t: t.replace(microsecond=0))  # noqa: DTZ001
VALUES = st.one_of(st.floats(-1e5, 1e5, allow_nan=False), st.integers(-100000, 100000))


@settings(max_examples=60)
@given(st.lists(st.tuples(TIMES, VALUES), min_size=1, max_size=30), st.sampled_from(["iso", "T", "Z", "ms", "dmy"]),
       st.sampled_from(["\n", "\r\n"]))
def test_the_patient_path_reads_good_input_exactly_as_the_fast_one(found, style, end):
    spell = {"iso": lambda t: f"{t:%Y-%m-%d %H:%M:%S}", "T": lambda t: f"{t:%Y-%m-%dT%H:%M}",
             "Z": lambda t: f"{t:%Y-%m-%dT%H:%M:%S}.25+05:45", "ms": lambda t: str(int(t.timestamp()) * 1000),
             "dmy": lambda t: f"{t:%d.%m.%Y %H:%M:%S}"}[style]
    source = block(time_format={"ms": "epoch_ms", "dmy": "%d.%m.%Y %H:%M:%S"}.get(style, "iso"))
    layout = resolve_layout(("ts", "com_ap"), source, BERLIN)
    body = "".join(f"{spell(t)},{v!r}{end}" for t, v in found).encode()
    fast = reader._from_arrow(reader._read_strict(body, layout), layout, Lines(body, 2))
    slow = reader._read_lenient(body, layout, Lines(body, 2))
    one, two = interpret(fast, layout, LIMITS), interpret(slow, layout, LIMITS)
    assert rows(one) == rows(two)
    assert one.rejects.equals(two.rejects)
    assert one.end == two.end


SPELLINGS = ["2024-06-01", "2024-06-01 10", "2024-06-01 10:20", "2024-06-01 102030", "2024-06-01T10:20:30.1",
             "2024-06-01 10:20:30.123456", "2024-06-01 10:20:30.123456789", "2024-06-01 10:20:60",
             "2024-06-01 24:00:00",
             "2024-6-1 10:20:30", "20240601 10:20:30", "2024-06-01  10:20:30", "2024/06/01 10:20:30",
             "2024-06-01 10:20:30Z", "2024-06-01 10:20:30+02", "2024-06-01 10:20:30 +02:00", "2024-02-30 10:20:30",
             " 2024-06-01 10:20:30", "2024-06-01 10:20:30 ", "+2024-06-01 10:20:30", "-2024-06-01 10:20:30", ""]
NUMBERS = ["1", "-1", "+1", ".5", "5.", "1e3", "1E-3", "1_000", "1,0", "1 000", "0x1p3", "Infinity", "-Infinity",
           "infinity", "+inf", "nan", "-nan", "NAN", "true", "False", "--1", "1e400", "-1e400", "1e-400", "٣", "1.0f",
           "1d", "-0", "-", "e5", "\t1", "1\t", "\u00a01"]


@pytest.mark.parametrize("time", SPELLINGS)
def test_odd_spellings_of_time_mean_the_same_alone_and_beside_a_bad_row(time):
    alone = parse(f"ts,com_ap\n{time},1\n")
    beside = parse(f"ts,com_ap\n{time},1\n2024-06-02 00:00:00,bad\n")
    assert rows(alone) == rows(beside)
    assert refused(alone) == refused(beside)[:-1]


@pytest.mark.parametrize("mark", ["\x1d", "\x0b", "\u2003", "\ufeff", " ", "\t"])
def test_what_counts_as_a_blank_is_the_same_alone_and_beside_a_bad_row(mark):
    source = block(time_format="%d.%m.%Y %H:%M")
    alone = parse(f"ts,com_ap\n{mark}1.06.2024 00:00,{mark}1{mark}\n", source)
    beside = parse(f"ts,com_ap\n{mark}1.06.2024 00:00,{mark}1{mark}\n01.06.2024 00:01,1,2\n", source)
    assert rows(alone) == rows(beside)
    assert refused(alone) == refused(beside)[:-1]


@pytest.mark.parametrize("number", NUMBERS)
def test_odd_spellings_of_numbers_mean_the_same_alone_and_beside_a_bad_row(number):
    alone = parse(f"ts,com_ap\n2024-06-01 00:00:00,{number}\n")
    beside = parse(f"ts,com_ap\n2024-06-01 00:00:00,{number}\n2024-06-02 00:00:00,bad\n")
    assert repr(rows(alone)) == repr(rows(beside))
    assert refused(alone) == refused(beside)[:-1]


def test_parquet_files_give_the_same_rows_and_row_numbers(site):
    frame = pl.DataFrame({"ts": [datetime(2024, 6, 1), datetime(2024, 6, 1, 0, 1), None],  # noqa: DTZ001
                          "com_ap": [1.5, -2.0, 3.0]})
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    aware = io.BytesIO()
    keys = pl.lit("P").cast(pl.Categorical).alias("what")
    frame.with_columns(pl.col("ts").dt.replace_time_zone("UTC"), keys).write_parquet(aware)
    toml = '[[source]]\nname = "k"\nglob = "m2/*"\nformat = "parquet"\nkey_column = "what"\nvalue_column = "com_ap"\n' \
           'columns = [{ column = "P", signal = "com_ap" }]\n'
    plant = site({"m1/a.parquet": buffer.getvalue(), "m2/a.parquet": aware.getvalue()}, toml)
    plant.load()
    assert plant.readings()["ts"].to_physical().to_list() == [t for t, _ in PLANTED]
    assert plant.rejects().select("line", "reason").rows() == [(3, "unparsable_time")]
    assert_closed(plant)
    plant.load("m2")
    assert plant.readings(device="m2")["value"].to_list() == [1.5, -2.0]


def test_text_in_a_parquet_file_is_a_reason_for_the_file(site):
    buffer = io.BytesIO()
    pl.DataFrame({"ts": [datetime(2024, 6, 1)], "com_ap": ["a"]}).write_parquet(buffer)  # noqa: DTZ001
    torn = bytearray(buffer.getvalue())
    torn[10:30] = b"\xff" * 20
    plant = site({"m1/a.parquet": buffer.getvalue(), "m1/b.parquet": bytes(torn), "m1/c.csv": GOOD})
    report = plant.load()
    assert "string" in report.problems[0]
    assert len(report.problems) == 2
    assert plant.readings().height == 2


def test_compressed_and_utf16_files_are_read(site):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("inner.csv", GOOD)
    toml = '[[source]]\nname = "u"\nglob = "m3/*"\nencoding = "utf-16"\n'
    plant = site({"m1/a.zip": archive.getvalue(), "m2/a.csv": GOOD.encode("utf-16"), "m3/a.csv": GOOD.encode("utf-16")},
                 toml)
    for device in ("m1", "m2", "m3"):
        assert plant.load(device).problems == [], device
        assert plant.readings(device=device)["value"].to_list() == [1.5, -2.0], device


def test_arrow_types_that_hold_no_time_are_named():
    with pytest.raises(LayoutError, match="time column is of type string"):
        reader._arrow_times(pa.array(["a"]), "iso")
