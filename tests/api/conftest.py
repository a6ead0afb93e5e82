"""A small lake and a client on the whole server, pages included."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from tests.viewer.lake_factory import Plan, write_lake
from viewer.api.service import Limits
from viewer.app import create_app
from viewer.store import Store

PLAN = Plan(days=90)
BASE = "http://127.0.0.1:5006"


@pytest.fixture(scope="session")
def plan() -> Plan:
    """Return what is planted in the lake."""
    return PLAN


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of the small lake."""
    return write_lake(tmp_path_factory.mktemp("api") / "lake", PLAN)


@pytest.fixture(scope="session")
def store(settings: Settings) -> Store:
    """Return a store of its own on the same lake, to compare with."""
    return Store(settings)


@pytest.fixture(scope="session")
def client(settings: Settings) -> TestClient:
    """Return a client; an exception in the server fails the test."""
    return TestClient(create_app(settings), base_url=BASE)


@pytest.fixture(scope="session")
def get(client: TestClient) -> Callable[..., dict]:
    """Return a function that gets JSON and insists on 200."""

    def fetch(path: str, **params: object) -> dict:
        answer = client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.content)

    return fetch


def limited(settings: Settings, **limits: object) -> TestClient:
    """Return a client of a server with other bounds."""
    app = create_app(settings)
    app.state.api.limits = Limits(**limits)
    return TestClient(app, base_url=BASE)


def copied(settings: Settings, folder: Path) -> Settings:
    """Return the settings of a copy of the lake that a test may spoil."""
    shutil.copytree(settings.lake, folder / "lake")
    return settings.model_copy(update={"lake": str(folder / "lake")})


def table(lake: Path | str, name: str) -> pl.DataFrame:
    """Return a table as it stands on disk, read by other means than the server's."""
    return pl.read_delta(f"{lake}/{name}")
