"""The OpenAPI document keeps its promises: generated requests find no server error and no answer it does not describe.

Short here; `API_EXAMPLES=300 pytest tests/api/test_contract.py` is the long run.
"""

import os

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from tests.viewer.lake_factory import Plan

EXAMPLES = int(os.environ.get("API_EXAMPLES", "8"))
NAMES = {"m": ["m1", "m2"], "s": [Plan().bess], "p": [1, 2], "device": ["m1", Plan().bess], "signal": ["com_ap", "pos_ae"]}
WANTED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.fixture(scope="session")
def described(client: TestClient) -> schemathesis.BaseSchema:
    """Return the document with the names that the small lake has."""
    document = client.get("/openapi.json").json()
    document["paths"].pop("/", None)
    loaded = schemathesis.openapi.from_dict(document)
    loaded.location = "http://127.0.0.1:5006/openapi.json"
    return loaded


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_generated_request_breaks_the_promise(case: schemathesis.Case, client: TestClient) -> None:
    sent = case.as_transport_kwargs(base_url="http://127.0.0.1:5006")
    for number, known in enumerate((False, True)):
        sent = case.as_transport_kwargs(base_url="http://127.0.0.1:5006")
        if known:
            values = {**(case.path_parameters or {}), **{k: v[number % len(v)] for k, v in NAMES.items()}}
            sent["url"] = "http://127.0.0.1:5006" + case.path.format(**values)
            for name in ("device", "signal"):
                if name in (sent.get("params") or {}):
                    sent["params"][name] = values[name]
        sent.pop("cookies", None)
        answer = client.request(**sent)
        response = schemathesis.Response.from_any(answer) if hasattr(schemathesis.Response, "from_any") else answer
        case.validate_response(response, checks=[CHECKS.get_one(n) for n in WANTED])


def test_every_parameter_and_field_is_described(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path == "/":
                continue
            assert operation.get("summary"), path
            assert operation.get("description"), path
            for parameter in operation.get("parameters", []):
                assert parameter.get("description") or parameter["name"] == "max_points", (path, parameter["name"])
