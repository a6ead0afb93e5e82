"""A small script that lets pages start and settle sooner. Without it they work as well, later.

Panel 1.9 loads the component library after the document, through a shim that reads its 1.4 MB as text for browsers
without import maps: a tenth of a second of each start, and nothing of it stays compiled. Here its import begins while
the other scripts load, and the head of the answer names it and the fonts, so that the browser fetches them beside the
rest. panel-material-ui 0.16 veils the page until its last element has settled, and opens the drawer over it on narrow
screens: here the veil goes when the page stands, and the drawer is closed before it is drawn.
Bokeh 3.9 lays the whole page out for every change, one by one, and has the browser compute the styles of the page for
every line and text that it paints: here changes wait for each other, and styles that nothing sets are not asked for.
What is changed: `bundle.js`.
"""

import json
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
from fastapi import FastAPI, Response
from panel_material_ui.base import DIST_PATH

PATH = "bundle.js"
ASSETS = "static/extensions/panel-material-ui"
FONTS = ("roboto-latin-400-normal-*", "roboto-latin-700-normal-*", "material-icons-[A-Z0-9]*")
_SCRIPT = Path(__file__).with_name("bundle.js").read_text(encoding="utf-8")


def add_bundle(app: FastAPI) -> None:
    """Serve the script and name it in every page."""
    script = _SCRIPT.replace("BUNDLE_ADDRESS", json.dumps(_address()))
    pn.config.js_files = {**pn.config.js_files, "bundle": PATH}

    @app.get(f"/{PATH}", include_in_schema=False)
    def early_import() -> Response:
        return Response(script, media_type="text/javascript", headers={"cache-control": "max-age=3600"})


def early_files() -> bytes:
    """Return the head `Link` of a page: what it needs soon and would ask for late."""
    script = _address()
    links = [] if script is None else [f"<{script}>; rel=modulepreload"]
    fonts = sorted(path.name for stem in FONTS for path in DIST_PATH.glob(f"{stem}.woff2"))
    links += [f'<{ASSETS}/{name}>; rel=preload; as=font; type="font/woff2"; crossorigin' for name in fonts]
    return ", ".join(links).encode("ascii")


def _address() -> str | None:
    """Return the address under which panel-material-ui 0.16 names its script, None where it does not say."""
    named = getattr(pmui.Button, "_render_esm", None)
    address = named(True, server=True) if named is not None else None
    return address if isinstance(address, str) and "\n" not in address else None
