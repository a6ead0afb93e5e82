"""The store reads what the lake holds, follows new versions, and says what is missing or broken."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from energy_pipeline.settings import Settings
from tests.viewer.lake_factory import write_table
from viewer import store as module
from viewer.series import _level
from viewer.store import NotAtHand, Store, TableBroken, TableMissing

EVENT = {"device": "m1", "signal": "pos_ae", "ts": None, "kind": "reset", "old": 5.0, "new": 0.0, "booked_kwh": 0.0}


def events(n: int) -> pl.DataFrame:
    frame = pl.DataFrame([EVENT] * n).drop("ts")
    ts = pl.datetime_range(
        pl.datetime(2025, 1, 1), pl.datetime(2025, 1, n), "1d", time_zone="UTC", time_unit="us", eager=True
    )
    return frame.with_columns(
        ts.alias("ts"), pl.lit(value=False).alias("provisional"), pl.lit(value=False).alias("overruled")
    )


def test_a_missing_table_names_itself_and_the_command(tmp_path: Path) -> None:
    with pytest.raises(TableMissing) as caught:
        Store(Settings(lake=str(tmp_path))).frame("signals")
    assert caught.value.table == "signals"
    assert caught.value.command == "energy-pipeline run"


def test_a_broken_table_is_told_from_a_missing_one(tmp_path: Path) -> None:
    write_table(tmp_path, "counter_events", events(2))
    for file in tmp_path.glob("counter_events/**/*.parquet"):
        file.unlink()
    with pytest.raises(TableBroken, match="counter_events"):
        Store(Settings(lake=str(tmp_path))).frame("counter_events")


def test_a_new_version_is_seen_and_the_old_rows_are_not_served_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECHECK_S", 0.0)
    write_table(tmp_path, "counter_events", events(2))
    store = Store(Settings(lake=str(tmp_path)))
    assert store.frame("counter_events").height == 2
    before = store.versions()["counter_events"]
    write_table(tmp_path, "counter_events", events(5))
    assert store.frame("counter_events").height == 5
    assert store.versions()["counter_events"] == before + 1


def test_a_log_that_rests_is_not_read_again_and_one_that_grows_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECHECK_S", 0.0)
    write_table(tmp_path, "counter_events", events(2))
    os.utime(tmp_path / "counter_events" / "_delta_log", (1_700_000_000, 1_700_000_000))
    store, asked = Store(Settings(lake=str(tmp_path))), []
    opened = store._handle("counter_events")

    class Counting:
        def version(self) -> int:
            return opened.version()

        def update_incremental(self) -> None:
            asked.append(opened.version())
            opened.update_incremental()

    store._open["counter_events"].handle = Counting()
    assert [store.version("counter_events") for _ in range(5)] == [0] * 5
    assert asked == [0]
    for version in (1, 2, 3):
        write_table(tmp_path, "counter_events", events(2 + version))
        assert store.version("counter_events") == version


def test_a_table_that_is_removed_and_made_anew_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECHECK_S", 0.0)
    write_table(tmp_path, "counter_events", events(2))
    store = Store(Settings(lake=str(tmp_path)))
    assert store.frame("counter_events").height == 2
    before = store.edition("counter_events")
    shutil.rmtree(tmp_path / "counter_events")
    with pytest.raises(TableMissing):
        store.version("counter_events")
    assert store.edition("counter_events") == "missing"
    write_table(tmp_path, "counter_events", events(5))
    assert store.frame("counter_events").height == 5
    assert store.version("counter_events") == 0
    assert store.edition("counter_events") != before


def test_the_cache_serves_the_same_frame_and_stays_within_its_bound(settings: Settings) -> None:
    store = Store(settings, cache_bytes=200_000)
    assert store.frame("meter_peaks") is store.frame("meter_peaks")
    for device in ("m1", "m2"):
        for signal in ("com_ap", "pf", "pos_ae"):
            store.frame("resolution_1h", where={"device": device, "signal": signal})
    assert store._held_bytes <= 200_000


def test_what_is_derived_is_made_once_per_version_and_stays_within_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECHECK_S", 0.0)
    write_table(tmp_path, "counter_events", events(2))
    store, made = Store(Settings(lake=str(tmp_path)), cache_bytes=1_000), []

    def rows(key: str) -> int:
        def build() -> int:
            made.append(key)
            return store.frame("counter_events", keep=False).height

        return store.derived("counter_events", (key,), build, lambda _: 400)

    assert [rows("a"), rows("a"), rows("b")] == [2, 2, 2]
    assert made == ["a", "b"]
    write_table(tmp_path, "counter_events", events(5))
    assert rows("a") == 5
    assert made == ["a", "b", "a"]
    assert store._held_bytes <= 1_000


def _unreadable(_table: str) -> None:
    raise PermissionError


def test_who_may_not_wait_gets_what_lies_in_memory_and_is_told_of_the_rest(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(settings)
    with store.at_hand(0), pytest.raises(NotAtHand):
        store.version("signals")
    whole = store.frame("signals")
    with store.at_hand(2):
        assert store.frame("signals") is whole
        with pytest.raises(NotAtHand):
            store.frame("signals", where={"device": "m1"})
        with pytest.raises(NotAtHand):
            store.derived("signals", ("count",), lambda: whole.height, lambda _: 8)
        assert store.book("signals", ("some",), 8) == {}
        store.spend(1)
        store.spend(1)
        with pytest.raises(NotAtHand):
            store.spend(1)
    monkeypatch.setattr(module, "RECHECK_S", -1.0)
    monkeypatch.setattr(module, "SETTLED_NS", 0)
    store.version("signals")
    with store.at_hand(0):
        assert store.version("signals") == 0  # the log's folder is as it was
    monkeypatch.setattr(store, "_log", _unreadable)
    with store.at_hand(0), pytest.raises(NotAtHand):
        store.version("signals")
    monkeypatch.undo()
    store.spend(1000)  # who may wait may do anything
    assert store.frame("signals", where={"device": "m1"}).height
    with ThreadPoolExecutor(1) as other, store.at_hand(0):
        assert other.submit(store.frame, "signals", where={"device": "m2"}).result().height  # it is for one thread


def test_many_threads_get_the_same_numbers_from_one_store(settings: Settings) -> None:
    def peak(i: int) -> float:
        return float(_level(store, f"m{1 + i % 2}", "com_ap", ("5min", "15min", "1h")[i % 3], "gauge").high.max())

    store = Store(settings, cache_bytes=3_000_000)  # less than all of it: what leaves is made again
    alone = [peak(i) for i in range(6)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(peak, range(120))) == alone * 20
    assert 0 <= store._held_bytes <= 3_000_000
    assert store._held_bytes == sum(size for _, size in store._cache.values())


def test_where_and_months_select_rows(store: Store) -> None:
    rows = store.frame("meter_daily", where={"device": "m1"}, months=("2024-10", "2024-11"))
    assert rows["device"].unique().to_list() == ["m1"]
    assert sorted(rows["month"].unique().to_list()) == ["2024-10", "2024-11"]


def test_a_table_without_a_column_is_reported_as_broken(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "counter_events"), events(2).drop("kind").to_arrow())
    with pytest.raises(TableBroken, match="kind"):
        Store(Settings(lake=str(tmp_path))).frame("counter_events", ["kind"])


def test_versions_name_every_table(store: Store) -> None:
    versions = store.versions()
    assert versions["signals"] == 0
    assert "readings" in versions
