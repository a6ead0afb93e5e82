"""The doctor on planted folders and on the synthetic plant: what it says, and that what it proposes loads."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from energy_pipeline import doctor_files
from energy_pipeline.cli import main
from energy_pipeline.doctor import MAX_FILES, NothingFoundError, examine
from energy_pipeline.twin import make_plant, plan_preset
from tests.doctor.planted import fact, load, only_group, paste, wall_clock, write


def rows_of(times: list[datetime], style: str, *columns: list[str], separator: str = ",") -> list[str]:
    return [separator.join(row) for row in zip((t.strftime(style) for t in times), *columns, strict=True)]


def test_a_german_file_is_described_and_loads_with_its_zone(tmp_path: Path) -> None:
    times = wall_clock("Europe/Berlin", "2024-10-01", 40)
    values = [f"{i * 7 % 50 / 4:.2f}".replace(".", ",") for i in range(len(times))]
    root = tmp_path / "raw"
    write(root / "halle" / "last.csv", "Zeitpunkt;Verbrauch kWh;Bemerkung",
          rows_of(times, "%d.%m.%Y %H:%M", values, ["ok°"] * len(times), separator=";"), "cp1252")
    group = only_group(examine(root))
    assert group.plan is not None
    assert (group.plan.separator, group.plan.decimal, group.plan.encoding) == (";", ",", "cp1252")
    assert (group.plan.time_format, group.plan.zone) == ("%d.%m.%Y %H:%M", "Europe/Berlin")
    assert "autumn hour twice 1×" in fact(group, "zone")
    assert ("Bemerkung", "text, not numbers") in group.ignored
    lake, rejected = load(paste(tmp_path, root, group.block or ""), "halle")
    readings = lake.read("readings", "halle").sort("ts")
    assert rejected == 0
    assert readings["signal"].unique().to_list() == ["import_interval"]
    assert readings.height == 40 * 96
    assert readings["ts"].diff().drop_nulls().unique().to_list() == [timedelta(minutes=15)]


@pytest.mark.parametrize("kind", ["csv.gz", "parquet"])
def test_packed_files_and_parquet_are_described_and_load(tmp_path: Path, kind: str) -> None:
    frame = pl.DataFrame({"when": [1_700_000_000 + 60 * i for i in range(300)], "Power": [i / 2 for i in range(300)]})
    root = tmp_path / "raw"
    (root / "d1").mkdir(parents=True)
    if kind == "parquet":
        pq.write_table(frame.rename({"when": "time"}).to_arrow(), root / "d1" / "x.parquet")
    else:
        (root / "d1" / "x.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    group = only_group(examine(root))
    lake, _ = load(paste(tmp_path, root, group.block or ""), "d1")
    readings = lake.read("readings", "d1").sort("ts")
    assert readings.height == 300
    assert readings["ts"][0] == datetime.fromtimestamp(1_700_000_000, UTC)


def test_interval_energy_in_the_default_layout_needs_its_length_said_and_gets_it(tmp_path: Path) -> None:
    times = wall_clock("Europe/Berlin", "2024-05-01", 5)
    values = [str(1 + i % 7 / 4) for i in range(len(times))]
    root = tmp_path / "raw"
    write(root / "m1" / "import_interval.csv", "ts,import_interval", rows_of(times, "%Y-%m-%d %H:%M:%S", values))
    group = only_group(examine(root))
    assert group.plan is not None
    assert group.plan.interval_s == 900.0
    lake, rejected = load(paste(tmp_path, root, group.block or ""), "m1")
    assert rejected == 0
    assert lake.read("signals", "m1")["interval_s"].to_list() == [900.0]
    assert lake.read("readings", "m1").height == len(times)


def test_a_file_without_a_night_of_change_gets_no_zone_and_the_block_says_so(tmp_path: Path) -> None:
    times = wall_clock("Europe/Berlin", "2024-05-01", 5)
    write(tmp_path / "a" / "x.csv", "when,Power W", rows_of(times, "%Y-%m-%d %H:%M:%S", ["7"] * len(times)))
    group = only_group(examine(tmp_path))
    assert group.plan is not None
    assert group.plan.zone is None
    assert "# zone: cannot be told from these files" in (group.block or "")
    assert "\nzone =" not in (group.block or "")


def test_offsets_written_in_the_times_leave_nothing_to_guess(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x.csv", "when,a,b", [f"2024-05-01T{h:02d}:00:00+02:00,1.5,{h}" for h in range(20)])
    group = only_group(examine(tmp_path))
    assert "nothing to guess; offsets written: +02:00 × 20" in fact(group, "zone")


def test_files_with_the_same_columns_and_times_become_devices_of_their_own(tmp_path: Path) -> None:
    times = wall_clock("Europe/Berlin", "2024-05-01", 5)
    root = tmp_path / "raw"
    for name in ("house_1", "house_2"):
        write(root / f"{name}.csv", "when,Power W,U", rows_of(times, "%Y-%m-%d %H:%M", ["7"] * 480, ["230"] * 480))
    groups = examine(root).groups
    assert [g.plan.device for g in groups if g.plan] == ["house_1", "house_2"]
    settings = paste(tmp_path, root, "".join(g.block or "" for g in groups))
    for device in ("house_1", "house_2"):
        assert load(settings, device)[0].read("readings", device).height == 960


def test_monthly_files_of_one_device_stay_together(tmp_path: Path) -> None:
    for month in (1, 2, 3):
        times = wall_clock("Europe/Berlin", f"2024-{month:02d}-01", 20)
        write(tmp_path / "m" / f"2024-{month:02d}.csv", "when,P", rows_of(times, "%Y-%m-%d %H:%M", ["7"] * len(times)))
    group = only_group(examine(tmp_path))
    assert group.plan is not None
    assert (group.plan.glob, len(group.files)) == ("m/*.csv", 3)


def test_what_cannot_be_read_is_named_with_its_reason_and_the_rest_is_described(tmp_path: Path) -> None:
    write(tmp_path / "a" / "good.csv", "ts,soc", [f"2024-01-01 00:{m:02d}:00,{m}" for m in range(60)])
    write(tmp_path / "a" / "headless.csv", "2024-01-01 00:00:00,1", ["2024-01-01 00:01:00,2"])
    write(tmp_path / "a" / "notes.txt", "nothing here", [])
    (tmp_path / "a" / "broken.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "a" / "picture.png").write_bytes(b"\x89PNG")
    report = examine(tmp_path)
    said = dict(report.unreadable)
    assert "no header" in said["a/headless.csv"]
    assert "cannot be opened" in said["a/broken.csv.gz"]
    assert "a/picture.png" in report.ignored
    assert any(i.startswith("a/notes.txt") for i in report.ignored)
    assert only_group(report).files == ["a/good.csv"]


def test_lines_above_the_header_are_reported_as_what_the_reader_cannot_skip(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x.csv", "Logger 5", ["ts;a;b", *(f"2024-01-01 00:{m:02d};1;2" for m in range(50))])
    assert "cannot skip lines" in only_group(examine(tmp_path)).problems[0]


def test_a_path_with_nothing_in_it_is_an_error_with_words(tmp_path: Path) -> None:
    with pytest.raises(NothingFoundError, match="does not exist"):
        examine(tmp_path / "none")
    with pytest.raises(NothingFoundError, match="no file that could be a table"):
        examine(tmp_path)
    result = CliRunner().invoke(main, ["doctor", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "does not exist" in result.output


def test_of_many_files_fifty_are_read_and_the_report_says_so(tmp_path: Path) -> None:
    for i in range(MAX_FILES + 7):
        write(tmp_path / "a" / f"bms1_p1_v{i}.csv", f"ts,bms1_p1_v{i}", ["2024-01-01 00:00:00,3.3",
                                                                        "2024-01-01 00:01:00,3.4"])
    group = only_group(examine(tmp_path))
    assert (len(group.files), group.read) == (MAX_FILES + 7, MAX_FILES)
    assert "57 files, 50 of them read" in CliRunner().invoke(main, ["doctor", str(tmp_path)]).output


def test_a_long_file_is_read_in_part_and_its_night_of_change_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_files, "EDGE", 40_000)
    monkeypatch.setattr(doctor_files, "BLOCK", 8_000)
    times = wall_clock("Europe/Berlin", "2024-01-01", 300, 600)
    write(tmp_path / "m" / "soc.csv", "ts,soc", rows_of(times, "%Y-%m-%d %H:%M:%S", ["5"] * len(times)))
    group = only_group(examine(tmp_path))
    assert "only in part" in fact(group, "read")
    assert fact(group, "zone").startswith("Europe/Berlin: spring hour missing 1×")
    sample = doctor_files.read_sample(tmp_path / "m" / "soc.csv")
    assert not sample.complete
    assert sum(map(len, sample.pieces)) < 160_000 < sample.size


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("plant") / "tiny"
    make_plant(root, plan_preset("tiny", days=100))
    return root


def test_the_synthetic_plant_needs_no_description_and_its_clocks_are_told_apart(plant: Path) -> None:
    groups = {g.title.split("/:")[0]: g for g in examine(plant).groups}
    assert all(g.plan is None and not g.problems for g in groups.values())
    assert fact(groups["meter/m1"], "zone").startswith("Europe/Berlin: spring hour missing")
    system = groups["BESS/ZHPESS232A230002"]
    assert fact(system, "zone").startswith("cannot be told from these files")
    assert "not Europe/Berlin" in fact(system, "zone") or "no summer time" in fact(system, "zone")
    assert any("bms1_c > 0 is charge" in line for line in system.relations)
    assert {c.meaning.known for c in system.columns} == {True}


def test_the_net_register_of_the_synthetic_meters_is_recognised(plant: Path) -> None:
    for group in examine(plant / "meter").groups:
        assert any("com_ae = pos_ae − neg_ae" in line for line in group.relations)


def test_a_register_that_sums_both_directions_gets_a_signal_block_that_loads(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    times = wall_clock("Europe/Berlin", "2024-05-01", 20)
    pos, neg = [i * 0.5 for i in range(1920)], [i * 0.2 for i in range(1920)]
    for name, values in (("pos_ae", pos), ("neg_ae", neg), ("com_ae", [a + b for a, b in zip(pos, neg, strict=True)])):
        write(root / "m" / f"{name}.csv", f"ts,{name}",
              rows_of(times, "%Y-%m-%d %H:%M:%S", [f"{v:.1f}" for v in values]))
    group = only_group(examine(root))
    assert 'kind = "counter"' in (group.block or "")
    settings = paste(tmp_path, root, group.block or "")
    assert settings.signal[0].kind == "counter"
    assert load(settings, "m")[1] == 0


def test_the_command_prints_evidence_and_a_block(tmp_path: Path) -> None:
    times = wall_clock("UTC", "2024-05-01", 5)
    write(tmp_path / "a" / "x.csv", "Time (UTC);Verbrauch Wh",
          rows_of(times, "%Y-%m-%d %H:%M", ["7"] * 479 + ["9"], separator=";"))
    result = CliRunner().invoke(main, ["doctor", str(tmp_path)])
    assert result.exit_code == 0, result.output
    for text in ("[[source]]", 'zone = "UTC"', "the header says so", "semicolon", "factor = 0.001"):
        assert text in result.output


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("ts,a,b\n" + "".join(f"2024-01-01 00:{i:02d}:00,1.5,{i}\n" for i in range(60)), "120 of 120"),
        ("ts,a,b\n" + "".join(f"2024-01-01 00:{i:02d}:00,{i},2{',9' if i % 7 == 0 else ''}\n" for i in range(60)),
         "102 of 120 readings accepted; refused: 18 wrong_field_count"),
        ('"ts","Value, total","x ""y"""\n' + "".join(f'"2024-01-01 00:{i:02d}:00","{i}","2"\n' for i in range(60)),
         "120 of 120"),
        ("ts,a,b\r" + "".join(f"2024-01-01 00:{i:02d}:00,1.5,{i}\r" for i in range(60)), "120 of 120"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_odd_files_are_tried_with_their_block(tmp_path: Path, data: str, said: str, encoding: str) -> None:
    (tmp_path / "x.csv").write_bytes(data.encode(encoding))
    assert said in only_group(examine(tmp_path)).tried


@pytest.mark.parametrize(
    ("data", "said"),
    [("Date;Time;kWh\n" + "".join(f"01.02.2024;{i:02d}:00;1,5\n" for i in range(24)), "time of day only"),
     ("ts,a\n" + "".join(f"2024-01-01 00:{i:02d}:00,on\n" for i in range(60)), "no column of numbers")],
)
def test_what_no_setting_covers_is_a_problem_in_words(tmp_path: Path, data: str, said: str) -> None:
    (tmp_path / "x.csv").write_text(data, encoding="utf-8")
    group = only_group(examine(tmp_path))
    assert said in " ".join([*group.problems, *(why for _, why in group.ignored)])
    assert group.block is None


def test_folders_of_one_name_become_devices_with_names_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for site in ("north", "south"):
        write(root / site / "meter" / "x.csv", "when,P,U", [f"2024-01-01 00:{m:02d}:00,7.5,{m}" for m in range(60)])
    groups = examine(root).groups
    assert [g.plan.device for g in groups if g.plan] == ["meter", "south-meter"]
    settings = paste(tmp_path, root, "".join(g.block or "" for g in groups))
    for device in ("meter", "south-meter"):
        assert load(settings, device)[0].read("readings", device).height == 120
