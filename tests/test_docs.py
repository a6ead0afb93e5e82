"""The documentation agrees with the code: links, generated tables, names of settings, reasons, tables and commands."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from energy_pipeline.build import build_definitions
from energy_pipeline.checks import build_checks
from energy_pipeline.cli import main
from energy_pipeline.compute.reasons import REASONS
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"```.*?```", re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(path: Path) -> set[str]:
    """Anchors of a page as they are made from its headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda p: p.name)
def test_every_link_between_files_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target} has no such heading"


@pytest.mark.parametrize("name", ["table_docs", "settings_tables"])
def test_generated_tables_are_up_to_date(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [name, "--check"])
    assert script(name).main() == 0, f"run .venv/bin/python scripts/{name}.py"


def test_the_check_of_generated_tables_can_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = script("table_docs")
    monkeypatch.setattr("sys.argv", ["table_docs", "--check"])
    monkeypatch.setattr(module, "TARGET", tmp_path / "tables.md")
    assert module.main() == 1


def test_every_setting_is_documented_with_a_meaning() -> None:
    page = text_of("docs/settings.md")
    for _, _, model in script("settings_tables").SECTIONS:
        for name in model.model_fields:
            assert f"`{name}`" in page, name


def test_every_example_of_settings_is_accepted() -> None:
    pages = [text_of("docs/settings.md"), text_of("docs/operation.md")]
    examples = [block for page in pages for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    assert examples
    for example in examples:
        Settings.model_validate(tomllib.loads(example))


def test_every_reason_of_refused_rows_is_explained() -> None:
    page = text_of("docs/data-path.md")
    for reason in REASONS:
        assert f"| `{reason}` |" in page, reason


def test_every_table_asset_check_and_job_is_named(tmp_path: Path) -> None:
    page = text_of("docs/architecture.md")
    definitions = build_definitions(SiteResource(roots=[str(tmp_path)], lake_url=str(tmp_path / "lake")))
    graph = definitions.resolve_asset_graph()
    for name in {*TABLES, *(key.to_user_string() for key in graph.get_all_asset_keys())}:
        assert f"`{name}`" in page, name
        assert f"## {name}\n" in text_of("docs/tables.md"), name
    for check in build_checks():
        for key in check.check_keys:
            assert key.name in page, key.name
    for job in definitions.resolve_all_job_defs():
        if not job.name.startswith("__"):
            assert f"`{job.name}`" in page, job.name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_only_commands_that_exist_are_named(page: Path) -> None:
    for name in re.findall(r"energy-pipeline ([a-z][a-z-]*)", page.read_text(encoding="utf-8")):
        assert name in main.commands, f"{page.name}: energy-pipeline {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_no_page_names_a_folder_of_one_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.])/(work|tmp|home|root)/", page.read_text(encoding="utf-8"))
