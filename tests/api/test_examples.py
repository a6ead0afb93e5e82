"""The examples of docs/api.md run as they stand there, against the server of the small lake."""

import re
from datetime import datetime
from pathlib import Path

import httpx
import polars as pl
import pytest
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
CURL = re.compile(r'"\$BASE(/[^"]+)"')


def test_the_python_examples_run(
    client: TestClient, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = BLOCK.findall(DOCS.read_text(encoding="utf-8"))
    assert len(blocks) == 4  # polars, pandas, DuckDB, Excel
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(httpx, "get", lambda url, **more: client.get(url, **more))
    known: dict = {}
    for block in blocks:
        here = block.replace("demo/lake", settings.lake).replace("2024-03-", "2024-10-")
        exec(compile(here, str(DOCS), "exec"), known)  # noqa: S102 - our own documentation
    assert known["energy"]["value"].sum() > 0
    assert known["cells"].height > 0
    assert known["power"].shape[0] > 0
    assert Path("energy.xlsx").read_bytes()[:2] == b"PK"


def test_the_addresses_of_the_curl_examples_answer(client: TestClient) -> None:
    paths = CURL.findall(DOCS.read_text(encoding="utf-8"))
    assert len(paths) >= 4
    for path in paths:
        answer = client.get(path.replace("2024-03-", "2024-10-"))
        unknown = path == "/series?device=m1&signal=power"  # the example of an error
        assert answer.status_code == (404 if unknown else 200), path


def test_the_spreadsheet_example_is_what_a_german_excel_reads(client: TestClient) -> None:
    answer = client.get("/series?device=m1&signal=pos_ae&resolution=1d&format=csv&decimal=,")
    head, first, *_ = answer.text.splitlines()
    assert head == "timestamp;value;estimated;register"
    moment, value, *_ = first.split(";")
    assert datetime.fromisoformat(moment).hour == 0
    rows = client.get("/series?device=m1&signal=pos_ae&resolution=1d").json()["data"]
    assert float(value.replace(",", ".")) == pytest.approx(rows[0]["value"])
    assert pl.read_csv(answer.content, separator=";", decimal_comma=True)["value"].dtype == pl.Float64
