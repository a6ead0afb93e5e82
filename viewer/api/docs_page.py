"""The page `/docs`: Swagger UI over the OpenAPI document, served from this machine, so that it works without a network.

The files come with the package `fastapi-swagger`, a copy of each release of Swagger UI. Rejected: its own
`patch_fastapi`, which reads 1.7 MB anew for every request; here they are static files with an ETag.
"""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

PATH, FILES = "/docs", "/docs/files"


def add_docs(app: FastAPI) -> None:
    """Add the page and its files to `app`, which has no page of FastAPI's own (`docs_url=None`)."""
    app.mount(FILES, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="docs_files")

    @app.get(PATH, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=app.openapi_url or "",
            title=f"{app.title} - API",
            swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{FILES}/favicon-32x32.png",
        )
