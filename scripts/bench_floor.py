"""The emptiest page of the libraries that the viewer stands on: its frame and one picture, served as the viewer is.

`bench_viewer.py` opens it beside the viewer's pages: what a page on these libraries takes as they come, without the
cures of `viewer/stack_fixes.py` and `viewer/bundle.js`.
"""

import sys

import panel as pn
import panel_material_ui as pmui
import uvicorn
from bokeh.plotting import figure
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from panel.io.fastapi import add_applications


def page() -> pmui.Page:
    """Return a frame with one line of three points."""
    plot = figure(height=300, sizing_mode="stretch_width")
    plot.line([0, 1, 2], [0, 1, 0])
    return pmui.Page(title="floor", main=[pn.pane.Bokeh(plot, sizing_mode="stretch_width")])


def main() -> None:
    """Serve it on the port that is given."""
    pn.extension("tabulator")
    app = FastAPI()

    @app.get("/health")
    def health() -> dict[str, bool]:
        return {"ok": True}

    add_applications({"/": page}, app=app, title="floor")
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
