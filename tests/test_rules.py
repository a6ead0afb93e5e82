"""Rules of the house that a machine can check: who may import whom, and that every module says what it is."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted([*(ROOT / "energy_pipeline").rglob("*.py"), *(ROOT / "viewer").rglob("*.py")])


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def below(path: Path, folder: str) -> bool:
    return path.is_relative_to(ROOT / folder)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_opens_with_a_charter(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{path.relative_to(ROOT)} has no docstring that says what lives there"


def test_compute_knows_nothing_of_orchestration_screens_or_the_environment() -> None:
    forbidden = ("dagster", "panel", "bokeh", "fastapi", "os", "deltalake", "energy_pipeline.assets",
                 "energy_pipeline.resources", "viewer")
    for path in MODULES:
        if below(path, "energy_pipeline/compute"):
            wrong = {i for i in imports(path) if i.split(".")[0] in forbidden or i.startswith(forbidden[6:])}
            assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_viewer_imports_no_dagster_and_no_asset() -> None:
    for path in MODULES:
        if below(path, "viewer"):
            forbidden = ("dagster", "energy_pipeline.assets", "energy_pipeline.loading")
            wrong = {i for i in imports(path) if i.startswith(forbidden)}
            assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_only_demo_tests_and_benchmarks_use_the_twin() -> None:
    allowed = ("energy_pipeline/twin", "energy_pipeline/score", "energy_pipeline/bench")
    for path in MODULES:
        if not any(below(path, folder) for folder in allowed) and path.name != "cli.py":
            assert not any(i.startswith("energy_pipeline.twin") for i in imports(path)), path.relative_to(ROOT)


def test_modules_with_assets_do_not_postpone_annotations() -> None:
    for path in MODULES:
        if any(i == "dagster" for i in imports(path)):
            assert "__future__" not in imports(path), path.relative_to(ROOT)


def test_no_lock_file_names_a_registry() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert all("==" in line for line in text.splitlines() if line and not line.startswith("#"))
