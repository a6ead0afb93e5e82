"""Points strung together from kept pieces are those of the table, byte for byte, in every window, plain and as gzip."""

import gzip
import json
from datetime import timedelta

import numpy as np
import pytest

from energy_pipeline.settings import Settings
from viewer import series as module
from viewer.api.pieces import Piece, kept_piece, plain, zipped
from viewer.api.points import points_frame, points_json
from viewer.series import SeriesResult, load_series
from viewer.series_thinning import Columns
from viewer.store import Store

ZONE = "Europe/Berlin"


def planted(monkeypatch: pytest.MonkeyPatch, store: Store, plan: object, columns: Columns, points: int) -> SeriesResult:
    """Thin `columns` as if they were the 5-minute level of a signal."""
    monkeypatch.setattr(module, "_level", lambda *_: columns)
    return load_series(store, "m1", "com_ap", plan.start, plan.end + timedelta(days=400), points, level="5min")


def columns_with_faults(plan: object, n: int = 6149) -> Columns:
    """Random values, NaN in places and in runs, equal neighbours, three gaps, the autumn hour that comes twice."""
    rng = np.random.default_rng(11)
    ts = module.to_us(plan.start) + np.arange(n, dtype=np.int64) * 300_000_000
    for at in (700, 2048, 4095):
        ts[at:] += 7_200_000_000
    mean = np.round(rng.normal(0, 3, n), 2) / 3
    low, high = mean - np.round(rng.random(n)), mean + rng.random(n)
    for values in (mean, low, high):
        values[50:90] = np.nan
        values[rng.integers(0, n, 40)] = np.nan
    low[1000:1010] = -5.5
    return Columns(ts, mean, low, high)


def assert_rows_of_the_table(store: Store, result: SeriesResult) -> None:
    expected = points_frame(result, ZONE).write_json().encode()
    for _ in range(2):  # made, and kept
        pieces = points_json(store, result, ZONE)
        assert plain(pieces) == expected
        assert gzip.decompress(zipped(pieces)) == expected


@pytest.mark.parametrize("points", [100, 997, 3000, 6000, 20_000])
def test_pieces_are_the_rows_of_the_table(
    monkeypatch: pytest.MonkeyPatch, store: Store, plan: object, points: int
) -> None:
    result = planted(monkeypatch, store, plan, columns_with_faults(plan), points)
    assert result.gaps == 3
    assert_rows_of_the_table(store, result)
    rows = json.loads(plain(points_json(store, result, ZONE)))
    assert [r["min"] for r in rows] == [None if v != v else v for v in result.low.tolist()]
    assert [r["max"] for r in rows] == [None if v != v else v for v in result.high.tolist()]


@pytest.mark.parametrize("offset_us", [0, 500_000, 1, 123_456])
def test_a_few_rows_are_those_of_the_table_whatever_part_of_a_second_they_have(
    monkeypatch: pytest.MonkeyPatch, store: Store, plan: object, offset_us: int
) -> None:
    ts = module.to_us(plan.start) + offset_us + np.arange(10, dtype=np.int64) * 300_000_000
    value = np.array([0.0, -0.0, 1e22, 1e-7, 5e-324, np.nan, 1 / 3, 1e16, -2.0, 123456789.125])
    assert_rows_of_the_table(store, planted(monkeypatch, store, plan, Columns(ts, value, value, value), 500))


@pytest.mark.parametrize("first", [0, 1, 511, 512, 5000])
def test_windows_that_begin_and_end_anywhere_are_the_rows_of_the_table(
    store: Store, settings: Settings, plan: object, first: int
) -> None:
    start = plan.start + timedelta(minutes=5 * first)
    for span, points in ((1, 6000), (700, 400), (2048, 900), (6144, 6000)):
        end = start + timedelta(minutes=5 * span)
        result = load_series(store, "m1", "com_ap", start, end, points, level="5min", zone=settings.zone_of("m1"))
        assert_rows_of_the_table(store, result)


def test_a_window_without_points_is_an_empty_list(store: Store, plan: object) -> None:
    long_ago = plan.start - timedelta(days=400)
    result = load_series(store, "m1", "com_ap", long_ago, long_ago + timedelta(days=3), 500)
    assert plain(points_json(store, result, ZONE)) == b"[]"


def test_each_zone_has_its_own_texts(store: Store, plan: object) -> None:
    result = load_series(store, "m1", "com_ap", plan.start, plan.start + timedelta(days=3), 500)
    here, there = (json.loads(plain(points_json(store, result, z)))[0]["timestamp"] for z in (ZONE, "Asia/Kolkata"))
    assert (here[-6:], there[-6:]) == ("+02:00", "+05:30")


def test_texts_belong_to_the_arrays_they_were_made_of(
    monkeypatch: pytest.MonkeyPatch, store: Store, plan: object
) -> None:
    one = columns_with_faults(plan)
    other = Columns(one.ts, one.mean + 1, one.low + 1, one.high + 1)
    for columns in (one, other):
        assert_rows_of_the_table(store, planted(monkeypatch, store, plan, columns, 500))


@pytest.mark.parametrize("kept", [(), (0,), (1,), (0, 1, 2), (3,)])
def test_pieces_make_one_gzip_in_whatever_order_they_were_compressed(kept: tuple[int, ...]) -> None:
    texts = [b"", b"one,", b"two" * 5000, b"end"]
    pieces = [kept_piece(t) if i in kept else Piece(t) for i, t in enumerate(texts)]
    assert gzip.decompress(zipped(pieces)) == plain(pieces) == b"".join(texts)
