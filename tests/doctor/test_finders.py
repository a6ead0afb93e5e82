"""Each finder, on planted values, finds what was planted and says so where nothing can be told."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from energy_pipeline.compute.doctor import clock
from energy_pipeline.compute.doctor.names import find_families, guess_meaning
from energy_pipeline.compute.doctor.relations import find_net, find_power_unit, find_sign, make_series
from energy_pipeline.compute.doctor.sniff import NotATableError, find_dialect
from energy_pipeline.compute.doctor.times import find_times
from energy_pipeline.compute.doctor.values import describe_values, find_kind, find_sentinels
from tests.doctor.planted import as_us, wall_clock

HOUR_US = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "separator", "decimal"),
    [
        ("ts,a\n2024-01-01 00:00:00,1.5\n2024-01-01 00:01:00,2.5\n", ",", "."),
        ("Zeit;P;U\n01.01.2024 00:00;1,5;2,5\n01.01.2024 00:15;1,6;2,4\n", ";", ","),
        ("t\ta\n1\t2\n3\t4\n", "\t", "."),
        ("t|a|b\n2024-01-01|1.0|2.0\n2024-01-02|1.0|2.0\n", "|", "."),
        ('t,a,b\n2024-01-01,"1,5","2,5"\n2024-01-02,"1,6","2,6"\n', ",", ","),
    ],
)
def test_separator_and_decimal_sign_are_found(text: str, separator: str, decimal: str) -> None:
    dialect = find_dialect(text.encode())
    assert (dialect.separator, dialect.decimal) == (separator, decimal)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [("\ufeffts,ä\n1,2\n".encode(), "utf-8"), ("ts,Außen °C\n1,2\n".encode("cp1252"), "cp1252"),
     ("ts,a\n1,2\n".encode("utf-16"), "utf-16")],
)
def test_the_encoding_is_found(data: bytes, encoding: str) -> None:
    assert find_dialect(data).encoding == encoding


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "empty"), (b"just text\nmore text\n", "one column"), (b"2024-01-01,1\n2024-01-02,2\n", "no header"),
     (b"a,b\n\x00\x01,2\n", "binary")],
)
def test_what_is_no_table_is_refused_with_the_reason(data: bytes, said: str) -> None:
    with pytest.raises(NotATableError, match=said):
        find_dialect(data)


@pytest.mark.parametrize(
    ("texts", "style"),
    [
        (["2024-01-01 00:00:00", "2024-01-01 00:15:00"], "iso"),
        (["2024-01-01T00:00:00+01:00", "2024-01-01T00:15:00+01:00"], "iso"),
        (["13.01.2024 00:00", "13.01.2024 00:15"], "%d.%m.%Y %H:%M"),
        (["13/01/2024 00:00:00", "13/01/2024 00:15:00"], "%d/%m/%Y %H:%M:%S"),
        (["01/13/2024 00:00", "01/13/2024 00:15"], "%m/%d/%Y %H:%M"),
        (["1735686000", "1735686900"], "epoch_s"),
        (["1735686000000", "1735686900000"], "epoch_ms"),
        (["20240113 00:00:00", "20240113 00:15:00"], "%Y%m%d %H:%M:%S"),
    ],
)
def test_the_format_of_times_is_found(texts: list[str], style: str) -> None:
    found, _ = find_times(pl.DataFrame({"time": texts, "x": ["5", "6"]}), ".")
    assert [(t.name, t.format) for t in found] == [("time", style)]


def test_day_and_month_are_told_apart_by_the_order_of_rows_where_no_day_exceeds_twelve() -> None:
    days = [f"{d:02d}/03/2024 12:00" for d in range(1, 10)]
    found, _ = find_times(pl.DataFrame({"time": days}), ".")
    assert found[0].format == "%d/%m/%Y %H:%M"
    assert "the rows follow each other" in found[0].evidence


def test_day_or_month_first_is_left_open_where_neither_days_nor_order_tell() -> None:
    found, _ = find_times(pl.DataFrame({"time": ["03/04/2024 12:00", "03/04/2024 12:15"]}), ".")
    assert "CANNOT BE TOLD" in found[0].evidence


def test_a_register_in_the_range_of_an_epoch_is_no_time() -> None:
    values = [str(1_700_000_000 + i * i * 37) for i in range(50)]
    assert find_times(pl.DataFrame({"energy": values}), ".")[0] == []


@pytest.mark.parametrize(
    ("zone", "step_s"),
    [("Europe/Berlin", 60), ("Europe/Berlin", 900), ("Europe/London", 900), ("Europe/Helsinki", 1800),
     ("America/New_York", 300), ("Australia/Sydney", 900)],
)
def test_the_zone_is_told_by_the_nights_of_change(zone: str, step_s: int) -> None:
    for start in ("2024-03-01", "2024-10-01"):
        local = as_us(wall_clock(zone, start, 45, step_s))
        guess = clock.find_zone([(local, float(step_s))])
        assert guess.value == zone, guess.evidence


def test_a_steady_clock_is_said_to_be_steady_and_not_named() -> None:
    local = as_us(wall_clock("Asia/Shanghai", "2024-01-01", 365))
    guess = clock.find_zone([(local, 900.0)])
    assert guess.value is None
    assert "no summer time" in guess.evidence


def test_without_a_night_of_change_the_zone_cannot_be_told() -> None:
    guess = clock.find_zone([(as_us(wall_clock("Europe/Berlin", "2024-01-05", 30)), 900.0)])
    assert guess.value is None
    assert "cannot be told from these files" in guess.evidence


def test_a_gap_over_the_whole_night_of_change_is_no_evidence() -> None:
    times = [t for t in wall_clock("UTC", "2024-03-20", 20) if not (t.month == 3 and t.day == 31 and t.hour < 6)]
    assert "not Australia/Sydney" in clock.find_zone([(as_us(times), 900.0)]).evidence


def test_nights_that_contradict_each_other_name_no_zone() -> None:
    times = [t for t in wall_clock("Asia/Shanghai", "2024-01-01", 365)
             if not (t.month == 3 and t.day == 31 and t.hour == 2)]
    guess = clock.find_zone([(as_us(times), 900.0)])
    assert guess.value is None
    assert "contradict" in guess.evidence


def test_an_epoch_beside_a_naive_clock_tells_the_zone() -> None:
    local = wall_clock("Europe/London", "2024-01-01", 365)
    start = as_us(wall_clock("UTC", "2024-01-01", 365))
    guess, hours = clock.compare_clocks(start, as_us(local))
    assert guess.value == "Europe/London"
    assert set(hours) == {0.0, 1.0}


def test_labels_are_told_by_the_edges_of_the_file_or_not_at_all() -> None:
    times = wall_clock("UTC", "2024-01-01", 10)
    assert clock.find_label(as_us(times), 900).value == "start"
    assert clock.find_label(as_us([t + timedelta(seconds=900) for t in times]), 900).value == "end"
    assert clock.find_label(as_us(times[5:-7]), 900).value is None


def test_midnight_rows_with_the_old_date_prove_the_end_of_the_interval() -> None:
    times = [t + timedelta(seconds=900) for t in wall_clock("UTC", "2024-01-01", 10)]
    written = [t - timedelta(days=1) if (t.hour, t.minute) == (0, 0) else t for t in times]
    guess = clock.find_label(as_us(written), 900)
    assert guess.value == "end"
    assert guess.evidence.startswith("10 rows")
    sampling = clock.find_sampling(as_us(written))
    assert sampling is not None
    assert (sampling.backward, sampling.longest_s) == (0, 900)


def test_sentinels_are_repeated_extremes_far_from_the_rest() -> None:
    values = np.round(3.3 + 0.3 * np.sin(np.arange(5000) / 50), 3)
    values[[3, 700]], values[[9, 99]], values[4000] = 66.535, 0.0, 12.345
    found, single = find_sentinels(values)
    assert sorted(s.value for s in found) == [0.0, 66.535]
    assert single == [12.345]


def test_two_sentinels_on_one_side_are_both_found() -> None:
    values = 20.0 + np.arange(4000) % 25
    values[:3], values[3:7] = 255, 511
    assert sorted(s.value for s in find_sentinels(values)[0]) == [255, 511]


@pytest.mark.parametrize("values", [
    np.maximum(0, 5000 * np.sin(np.arange(5000) / 200)),  # a photovoltaic plant is often at zero
    np.tile([0.0, 1.0], 500),
    np.where(np.arange(5000) % 400 == 0, 2.2, 5.0) + np.arange(5000) % 2 * 1e-3,
])
def test_ordinary_values_have_no_sentinels(values: np.ndarray) -> None:
    assert find_sentinels(values)[0] == []


def test_kinds_are_told_by_how_values_move() -> None:
    times = np.arange(1000) * HOUR_US
    rng = np.random.default_rng(1)
    assert find_kind(times, np.cumsum(rng.uniform(0, 1, 1000)))[0] == "register"
    assert find_kind(times[::-1], np.cumsum(rng.uniform(0, 1, 1000))[::-1])[0] == "register"
    assert find_kind(times, np.arange(1000.0) % 96)[0] == "daily"
    assert find_kind(times, rng.integers(0, 2, 1000).astype(float))[0] == "flag"
    assert find_kind(times, rng.normal(size=1000))[0] == "gauge"
    assert find_kind(times, np.full(1000, 4.0))[0] == "constant"


@pytest.mark.parametrize(("sign", "said"), [(1, "charge"), (-1, "discharge")])
def test_the_sign_of_a_current_is_told_by_soc(sign: int, said: str) -> None:
    times = np.arange(3000) * 60_000_000
    current = 50 * np.sign(np.sin(np.arange(3000) / 120))
    soc = 50 + np.cumsum(current) / 300
    guess = find_sign(make_series("i", times, sign * current), make_series("soc", times + 7_000_000, soc))
    assert guess.value == said


def test_a_current_that_soc_does_not_follow_has_no_known_sign() -> None:
    times = np.arange(3000) * 60_000_000
    rng = np.random.default_rng(2)
    soc = make_series("soc", times, 50 + 10 * np.sin(np.arange(3000) / 200))
    guess = find_sign(make_series("i", times, rng.normal(size=3000)), soc)
    assert guess.value is None
    assert "cannot be told" in guess.evidence


@pytest.mark.parametrize(("way", "factor"), [("sum", 1), ("net", -1)])
def test_a_total_register_is_told_to_be_sum_or_net(way: str, factor: int) -> None:
    rng = np.random.default_rng(3)
    times = np.arange(2000) * 15 * 60_000_000
    a, b = np.cumsum(rng.uniform(0, 5, 2000)), np.cumsum(rng.uniform(0, 2, 2000))
    series = [make_series("com", times + 3_000_000, 7e5 + a + factor * b), make_series("pos", times, 100 + a),
              make_series("neg", times + 9_000_000, 50 + b)]
    assert find_net(*series).value == way


def test_a_register_that_never_exports_does_not_tell_sum_from_net() -> None:
    times = np.arange(2000) * 15 * 60_000_000
    a = make_series("pos", times, np.arange(2000.0))
    guess = find_net(make_series("com", times, np.arange(2000.0)), a, make_series("neg", times, np.full(2000, 3.0)))
    assert guess.value is None


def test_watts_are_told_from_kilowatts_by_the_registers() -> None:
    times = np.arange(5000) * 60_000_000
    watts = 3000 * np.sin(np.arange(5000) / 200)
    kwh = watts / 1000 / 60
    ins, outs = np.cumsum(np.maximum(kwh, 0)), np.cumsum(np.maximum(-kwh, 0))
    power, into, out = (make_series(n, times, v) for n, v in (("p", watts), ("imp", ins), ("exp", outs)))
    assert find_power_unit(power, into, out).value == "0.001"
    assert find_power_unit(make_series("p", times, -watts / 1000), into, out).value == "-1"


@pytest.mark.parametrize(
    ("column", "kind", "values", "signal", "factor"),
    [
        ("Usage_kWh", "gauge", [0.0, 5.0], "import_interval", 1.0),
        ("Returned energy Wh", "gauge", [0.0, 900.0], "export_interval", 0.001),
        ("Zaehlerstand Bezug MWh", "register", [5.0, 9.0], "pos_ae", 1000.0),
        ("PackSOC", "gauge", [3.0, 97.0], "bms1_soc", 1.0),
        ("Power_Factor", "gauge", [10.0, 100.0], "pf", 0.01),
        ("Reactive_Power_kVarh", "gauge", [0.0, 5.0], "reactive_power_kvarh", 1.0),
        ("Grid power W", "gauge", [-900.0, 5000.0], "com_ap", 0.001),
        ("bms1_p2_v3", "gauge", [3.0, 3.4], "bms1_p2_v3", 1.0),
        ("Wetter", "gauge", [3.0, 3.4], "wetter", 1.0),
    ],
)
def test_names_are_read_together_with_what_the_values_do(
    column: str, kind: str, values: list[float], signal: str, factor: float
) -> None:
    stats = describe_values(np.array(values))
    assert stats is not None
    meaning = guess_meaning(find_families([column])[0], kind, stats, step_is_regular=True)
    assert (meaning.signal, meaning.factor) == (signal, factor)


def test_columns_that_differ_in_a_number_or_a_letter_are_one_family() -> None:
    families = find_families(["V_1", "V_2", "Active energy Wh (A)", "Active energy Wh (B)", "soc"])
    assert [(f.pattern, len(f.names)) for f in families] == [
        (r"V_(\d+)", 2), (r"Active energy Wh \((\w)\)", 2), (None, 1)]
