"""A full disk and a read-only lake: a clear error, tables that can be read, and a later run that completes the work.

The disk is a small tmpfs in a mount namespace of the test's own (`unshare -rm`); nothing of the machine is changed.
"""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import assert_same_tables
from tests.crash.plants import BEFORE, Plant, act, copy_of, tables_of
from tests.crash.witness import ROOT

LONG = [pytest.mark.crash, pytest.mark.slow]
FULL = [("load", 0), ("load", 24), ("load", 60), ("append", 0), ("append", 60), ("replace", 24), ("replace", 150)]
CASES = [("full", *c) for c in FULL] + [("readonly", action, 0) for action in ("load", "append", "replace")]
SHORT = {("full", "append", 60), ("readonly", "append", 0)}


def cases() -> list[object]:
    """All cases with their marks; two of them are quick enough for every test run."""
    return [
        pytest.param(*case, id="-".join(map(str, case)), marks=[] if case in SHORT else LONG) for case in CASES
    ]


@cache
def may_mount() -> bool:
    """True where this user may mount in a namespace of his own."""
    if shutil.which("unshare") is None:
        return False
    try:
        probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True,
                               timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory):
    """Factory: a plant as it is before an action, and the tables of an undisturbed one after it."""

    @cache
    def build(action: str) -> tuple[Path, dict[str, pl.DataFrame]]:
        folder = tmp_path_factory.mktemp(f"disk-{action}")
        template = Plant(folder / "before")
        _ = template.settings
        BEFORE[action](template)
        plant = copy_of(template.folder, folder / "undisturbed")
        act(action, plant)
        return template.folder, tables_of(plant.lake)

    return build


@pytest.fixture(scope="module")
def disturbed(built, tmp_path_factory: pytest.TempPathFactory):
    """Factory: run an action where the lake cannot be written, then where it can; what was seen, and the folder."""

    @cache
    def run(what: str, action: str, spare_kb: int) -> tuple[dict[str, object], Path]:
        if not may_mount():
            pytest.skip("`unshare -rm mount` is not permitted here: no disk to fill")
        plant = copy_of(built(action)[0], tmp_path_factory.mktemp(f"{what}-{action}") / "plant")
        done = subprocess.run(
            ["unshare", "-rm", sys.executable, "-m", "tests.crash.disk_script", what, str(plant.folder), action,
             str(spare_kb)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), plant.folder

    return run


@pytest.mark.parametrize(("what", "action", "spare_kb"), cases())
def test_a_lake_that_cannot_be_written_stays_readable_and_is_completed_later(
    built, disturbed, what: str, action: str, spare_kb: int
) -> None:
    expected = built(action)[1]
    found, folder = disturbed(what, action, spare_kb)
    assert found["error"] is not None
    if action != "load":
        assert found["readable"] == sorted(expected)
    if what == "readonly":
        assert found["same"] == found["readable"]
    tables = {name: pl.read_parquet(folder / "tables" / f"{name}.parquet") for name in found["tables"]}
    assert_same_tables(tables, expected)
    assert found["orphans"] == []


@pytest.mark.parametrize(("what", "action", "spare_kb"), cases())
def test_the_error_names_the_table_what_is_wrong_with_the_disk_and_what_to_do(
    disturbed, what: str, action: str, spare_kb: int
) -> None:
    found, folder = disturbed(what, action, spare_kb)
    text = str(found["message"])
    assert found["error"] == "LakeError", text
    assert str(folder / "lake") in text
    assert "\n" not in text
    if what == "full":
        assert "disk is full" in text
        assert "free" in text
        assert "run again" in text
    else:
        assert "read-only" in text.lower()
        assert "check the setting `lake` and its permissions" in text
