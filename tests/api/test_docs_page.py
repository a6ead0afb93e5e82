"""`/docs` shows the operations in a real browser that reaches nothing but this server."""

import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from energy_pipeline.settings import Settings
from tests.viewer.conftest import Viewer, start_viewer

FILES = re.compile(r'(?:src|href)="([^"]+)"')


@pytest.fixture(scope="module")
def viewer(settings: Settings) -> Iterator[Viewer]:
    """Serve the small lake."""
    running = start_viewer(settings.lake)
    yield running
    running.process.terminate()
    running.process.wait(10)


def test_the_page_and_its_files_come_from_this_server_with_the_security_headers(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    names = FILES.findall(page.text)
    assert len(names) == 3
    for name in names:
        assert name.startswith("/docs/files/"), name
        answer = client.get(name)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert client.get(name, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    for outside in ("/docs/files/../main.py", "/docs/files/%2e%2e/main.py", "/docs/files/nothing.js"):
        assert client.get(outside).status_code == 404


@pytest.mark.browser
def test_docs_show_the_operations_without_a_network(context: object, viewer: Viewer) -> None:
    page, faults, foreign = context.new_page(), [], []

    def local_only(route: object) -> None:
        if route.request.url.startswith((viewer.url, "data:")):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    page.route("**/*", local_only)
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.goto(f"{viewer.url}/docs")
    page.locator(".opblock").first.wait_for(timeout=20_000)
    shown = page.locator(".opblock-summary-path").all_text_contents()
    paths = [text.replace("\u200b", "") for text in shown]
    assert {"/series", "/meters", "/cell/system/{s}/degradation-3d"} <= set(paths)
    page.locator("#operations-devices-meters_meters_get .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="200").wait_for(timeout=10_000)
    assert '"m1"' in page.locator(".live-responses-table").inner_text()
    assert foreign == []
    assert faults == []
    page.close()
