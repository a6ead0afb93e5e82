"""The benchmark measures what it says: the same work everywhere, and a day appended parses exactly its bytes."""

import json

import pytest

from energy_pipeline.bench import benchmark, measure
from energy_pipeline.bench.files import write_days, write_files


@pytest.mark.slow
def test_all_tools_come_to_the_same_sums_and_the_figures_are_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    figures = benchmark._small(tmp_path, 2, 3_000, lambda _: None)
    assert max(figures["difference_of_sums"].values()) < 1e-9
    assert set(figures["ns_per_row"]) == set(benchmark.LABELS)
    assert all(value > 0 for value in figures["ns_per_row"].values())
    assert figures["append"]["months"] >= 1
    text = benchmark.as_markdown({"size": "quick", "machine": benchmark.machine(), **json.loads(json.dumps(figures))})
    assert "the same work in DuckDB" in text


def test_a_day_is_appended_whole_and_taken_away_again(tmp_path):
    paths = write_days(tmp_path / "raw" / "device", 2, 3)
    before = [path.read_bytes() for path in paths]
    measure._load_once(tmp_path, 0)
    counted = measure._append(tmp_path, 0)()
    assert [path.read_bytes() for path in paths] == before
    assert counted["bytes_parsed"] > 1440 * len("2024-01-01 00:00:00,20\n")


def test_wrong_work_is_no_figure(tmp_path, monkeypatch):
    write_files(tmp_path / "raw" / "device", 1, 3_000)
    measure._load_once(tmp_path, 0)
    work = measure._append(tmp_path, 0)
    path = measure.raw_files(tmp_path)[0]
    with path.open("ab") as file:
        file.write(b"2024-01-09 00:00:00,20\n")
    with pytest.raises(measure.WrongWork, match="were appended"):
        work()
