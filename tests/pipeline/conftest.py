"""Fixtures of the end-to-end tests: a whole pipeline on a Dagster instance of its own."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance

from energy_pipeline.build import build_definitions
from energy_pipeline.partitions import register_devices
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.site import SiteResource
from energy_pipeline.runner import YOUNG_S, Observer, RunSummary, run_due
from energy_pipeline.work import Work


@dataclass
class Pipeline:
    """A settings file and everything that `energy-pipeline run` does with it."""

    settings_file: Path
    instance: DagsterInstance

    def __post_init__(self) -> None:
        self.site = SiteResource(settings_file=str(self.settings_file))
        self.definitions = build_definitions(self.site)
        self.started: list[Work] = []

    @property
    def lake(self) -> Lake:
        """The lake of the settings."""
        return self.site.lake()

    def run(self) -> RunSummary:
        """Do what is due; files that were written just now are taken as old enough to be read without waiting."""
        self.started.clear()
        observer = Observer(self.started.append, lambda *_: None)
        return run_due(self.definitions, self.site, self.instance, observer, clock=lambda: time.time() + YOUNG_S)

    def read(self, table: str, device: str | None = None) -> pl.DataFrame:
        """Read a table."""
        return self.lake.read(table, device)

    def copied(self, folder: Path, pipeline_of: "Callable[[Path], Pipeline]") -> "Pipeline":
        """Copy files, settings and lake into a folder, to be spoilt; its instance knows the devices and no run."""
        shutil.copytree(self.settings_file.parent, folder, dirs_exist_ok=True)
        made = pipeline_of(folder / self.settings_file.name)
        register_devices(made.instance, made.lake.devices())
        return made


@pytest.fixture(scope="module")
def pipeline_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Pipeline]:
    """Factory of pipelines, each on an ephemeral instance."""
    opened: list[DagsterInstance] = []

    def make(settings_file: Path) -> Pipeline:
        instance = DagsterInstance.ephemeral(tempdir=str(tmp_path_factory.mktemp("dagster")))
        opened.append(instance)
        return Pipeline(settings_file, instance)

    yield make
    for instance in opened:
        instance.dispose()
