"""The OpenAPI document keeps its promises: generated requests find no server error and no answer it does not describe.

Short here; `API_EXAMPLES=300 pytest tests/api/test_contract.py` is the long run. Half of the requests carry names that
the small lake has, so that they get past the first check.
"""

import os

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.viewer.lake_factory import Plan

schemathesis = pytest.importorskip("schemathesis", reason="generated requests need schemathesis")

EXAMPLES = int(os.environ.get("API_EXAMPLES", "12"))
BESS = Plan().bess
PATH_NAMES = {"m": ["m1", BESS], "s": [BESS], "p": [1, 2]}
SIGNALS = {"m1": ["com_ap", "pos_ae", "pf"], BESS: ["bms1_soc", "aux_m_pos_ae", "bms1_p1_v2"]}
WANTED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.fixture(scope="module")
def operations(client: TestClient) -> dict[str, object]:
    """Return every operation of the document by its path; the page at `/` is the viewer's."""
    document = schemathesis.openapi.from_asgi("/openapi.json", client.app, headers={"host": "127.0.0.1"})
    every = (found.ok() for found in document.get_all_operations())
    return {f"{o.method} {o.path}": o for o in every if o.path != "/"}


def with_known_names(case: object, pick: int) -> None:
    """Put names of the small lake where the case has generated ones; every other time keep the generated window."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = PATH_NAMES[name][pick % len(PATH_NAMES[name])]
    query = dict(case.query or {})
    if pick % 2:
        for name in ("start", "end"):
            query.pop(name, None)
    if case.path in {"/series", "/bundle", "/kpis", "/bess_kpis"}:
        device = BESS if case.path == "/bess_kpis" or pick > 2 else "m1"
        query |= {"device": device}
        query.pop("meter", None)
        if case.path == "/series":
            query["signal"] = SIGNALS[device][pick % 3]
        if "signals" in query:
            query["signals"] = ",".join(SIGNALS[device][: 1 + pick % 3])
    if case.path.endswith("raw-voltage-plot"):
        query |= {"pack": 1, "cell": 2}
    elif "pack" in query:
        query["pack"] = 1 + pick % 2
    case.query = query


def statuses_of(operation: object) -> set[int]:
    """Send generated requests; any broken promise fails. Return the statuses that came back."""
    checks, found = schemathesis.checks.CHECKS.get_by_names(list(WANTED)), set()

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), pick=st.none() | st.integers(0, 5))
    def run(case: object, pick: int | None) -> None:
        if pick is not None:
            with_known_names(case, pick)
        found.add(case.call_and_validate(headers={"host": "127.0.0.1"}, checks=checks).status_code)

    run()
    return found


def test_no_generated_request_breaks_the_promise(operations: dict[str, object]) -> None:
    assert len(operations) >= 22
    for name, operation in operations.items():
        found = statuses_of(operation)
        assert found <= {200, 404, 406, 410, 413, 422}, (name, found)
        assert found & {200, 410}, f"{name}: no request got past the names"


def test_every_endpoint_and_parameter_is_described(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path in set(document["paths"]) - {"/"}:
        for operation in document["paths"][path].values():
            assert operation["summary"], path
            assert operation["description"], path
            for parameter in operation.get("parameters", []):
                described = parameter.get("description") or parameter["schema"].get("description")
                assert described, (path, parameter["name"])


def test_the_document_names_the_formats_and_the_problems(client: TestClient) -> None:
    answers = client.get("/openapi.json").json()["paths"]["/series"]["get"]["responses"]
    assert set(answers) == {"200", "304", "401", "404", "406", "413", "422", "429", "503"}
    assert "text/csv" in answers["200"]["content"]
