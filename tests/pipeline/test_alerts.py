"""Each finding is announced once: one POST over two runs, none that fails a run, and none lost while nobody answers."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import polars as pl
import pytest

from energy_pipeline.alert_post import post_alert
from energy_pipeline.alerts import (
    GAVE_UP,
    Found,
    announce_cells,
    announce_checks,
    announce_runs,
    opened_since,
    send_pending,
)
from energy_pipeline.guards import ACCOUNTS, FILES, Verdict, pack
from energy_pipeline.resources.commits import Scope
from energy_pipeline.resources.lake import Lake
from energy_pipeline.schemas import TABLES
from energy_pipeline.settings import Settings, SettingsError, load_settings

DEVICE = "bess1"


class Hook:
    """A webhook on this machine that keeps what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, object]] = []
        self.answers: list[int] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.answers.pop(0) if hook.answers else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def site(hook: Hook | None, **operation: object) -> Settings:
    address = hook.address if hook else "http://127.0.0.1:9/closed"
    return Settings.model_validate({"operation": {"webhook": address, "webhook_timeout_s": 2, **operation}})


def judged(lake: Lake, guard: object, failed: int) -> None:
    row = {
        "device": DEVICE, "table": guard.table, "check": guard.check, "passed": failed == 0, "blocking": guard.blocking,
        "failed_rows": failed, "checked_rows": 9, "limit": "l", "sample": "[]", "advice": "mend it.",
        "checked_ts": datetime(2025, 1, 1, tzinfo=UTC), "covers": pack({"all": Verdict(1, "d", failed)}),
    }
    table = TABLES["check_results"]
    lake.replace("check_results", Scope(DEVICE), lambda: pl.DataFrame([row], schema=table.polars_schema), {})


def cells(lake: Lake, findings: dict[int, str | None]) -> None:
    table = TABLES["cell_health"]
    rows = [
        {"device": DEVICE, "signal": f"v{c}", "pack": 1, "cell": c, "finding": f, "outlier": False, "stuck": False,
         "weak": False, "resistive": False} for c, f in findings.items()
    ]
    known = {c.name: False if c.dtype == pl.Boolean else 0 for c in table.columns if not c.nullable}
    frame = pl.DataFrame([{**known, **{k: v for k, v in r.items() if k in table.column_names}} for r in rows],
                         schema=table.polars_schema)
    lake.replace("cell_health", Scope(DEVICE), lambda: frame, {})


def test_a_red_blocking_check_is_posted_once_over_two_runs_with_words_that_help(lake: Lake, hook: Hook) -> None:
    judged(lake, ACCOUNTS, failed=3)
    first = announce_checks(lake, site(hook), DEVICE)
    again = announce_checks(Lake(lake.url), site(hook), DEVICE)  # as after a restart
    send_pending(lake, site(hook))
    assert len(first) == 1
    assert "is red (3 rows)" in first[0]
    assert again == []
    assert [(b["device"], b["kind"], b["finding"]) for b in hook.bodies] == [(DEVICE, "check", ACCOUNTS.check)]
    assert "mend it." in hook.bodies[0]["text"]


def test_a_check_that_was_green_in_between_is_announced_again(lake: Lake, hook: Hook) -> None:
    for failed in (3, 0, 2):
        judged(lake, ACCOUNTS, failed)
        announce_checks(lake, site(hook), DEVICE)
    assert len(hook.bodies) == 2
    rows = lake.read("alerts", DEVICE).sort("opened_ts")
    assert rows["closed_ts"].is_null().to_list() == [False, True]
    assert rows["sent_ts"].null_count() == 0


def test_a_red_check_that_does_not_block_is_not_announced(lake: Lake, hook: Hook) -> None:
    judged(lake, FILES, failed=1)
    assert announce_checks(lake, site(hook), DEVICE) == []
    assert hook.bodies == []


def test_each_finding_on_a_cell_is_posted_once_and_a_new_one_alone_afterwards(lake: Lake, hook: Hook) -> None:
    cells(lake, {1: "offset_rising", 2: None, 3: "stuck_sensor"})
    for _ in range(2):
        announce_cells(lake, DEVICE)
        assert send_pending(lake, site(hook)) == []
    assert [(b["subject"], b["finding"]) for b in hook.bodies] == [("P1C1", "offset_rising"), ("P1C3", "stuck_sensor")]
    cells(lake, {1: "offset_rising", 2: "weak_cell", 3: None})
    announce_cells(lake, DEVICE)
    send_pending(lake, site(hook))
    assert [(b["subject"], b["finding"]) for b in hook.bodies[2:]] == [("P1C2", "weak_cell")]


def test_while_nobody_answers_nothing_fails_and_nothing_is_lost(lake: Lake, hook: Hook) -> None:
    judged(lake, ACCOUNTS, failed=1)
    began = datetime.now(UTC)
    lines = announce_checks(lake, site(None, webhook_attempts=1), DEVICE)
    assert lines[0].startswith("alert: ")
    assert "will be tried with the next run" in lines[1]
    assert "127.0.0.1" not in lines[1]  # an address may hold a secret
    assert len(opened_since(lake, began)) == 1
    assert send_pending(lake, site(hook)) == []
    assert len(hook.bodies) == 1


def test_two_runs_that_find_the_same_alert_unsent_send_it_once(lake: Lake, hook: Hook) -> None:
    judged(lake, ACCOUNTS, failed=1)
    sent: list[str] = []
    second = threading.Event()

    def send(_: object, body: dict[str, object]) -> None:
        sent.append(str(body["finding"]))
        if len(sent) == 1:  # while this run still talks to the webhook, the overview begins to send what is pending
            other.start()
            second.wait(0.5)
        else:
            second.set()

    other = threading.Thread(target=lambda: send_pending(Lake(lake.url), site(hook), send))
    announce_checks(lake, site(hook), DEVICE, send)
    other.join()
    assert sent == [ACCOUNTS.check]


def test_work_given_up_is_sent_at_once_and_closed_when_it_is_given_up_no_more(lake: Lake, hook: Hook) -> None:
    gone = Found("ingest", GAVE_UP, "m1: gave up ingest after 5 attempts")
    for found in ({"m1": [gone]}, {"m1": [gone]}, {}):
        announce_runs(lake, site(hook), found)
    assert [(b["device"], b["kind"], b["subject"], b["finding"]) for b in hook.bodies] == [
        ("m1", "run", "ingest", "gave_up")
    ]
    assert lake.read("alerts", "m1")["closed_ts"].null_count() == 0


def test_an_overloaded_webhook_is_asked_again_and_a_refusing_one_is_not(hook: Hook) -> None:
    hook.answers = [503, 204]
    assert post_alert(site(hook).operation, {"text": "x"}) is None
    assert len(hook.bodies) == 2
    hook.answers = [404]
    problem = post_alert(site(hook).operation, {"text": "x"})
    assert problem == "the webhook answered 404; check operation.webhook"
    assert len(hook.bodies) == 3


def test_without_a_webhook_alerts_are_kept_and_logged(lake: Lake) -> None:
    judged(lake, ACCOUNTS, failed=1)
    assert len(announce_checks(lake, Settings(), DEVICE)) == 1
    assert lake.read("alerts")["sent_ts"].to_list() == [None]
    assert send_pending(lake, Settings()) == []


def test_the_environment_gives_the_address_and_no_message_repeats_it() -> None:
    chosen = load_settings(environ={"ENERGY_ALERT_WEBHOOK": "https://chat.example/secret"})
    assert chosen.operation.webhook == "https://chat.example/secret"
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={"ENERGY_ALERT_WEBHOOK": "chat.example/secret"})
    assert "secret'" not in str(caught.value)
    assert "operation.webhook" in str(caught.value)
