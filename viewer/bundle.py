"""A small script that lets pages start sooner. Without it they work as well, later.

Panel 1.9 loads the component library after the document, through a shim that reads its 1.4 MB as text for browsers
without import maps: a tenth of a second of each start, and nothing of it stays compiled. Here its import begins while
the other scripts load. panel-material-ui 0.16 veils the page until its last element has settled, and opens the drawer
over it on narrow screens: here the veil goes when the page stands, and the drawer is closed before it is drawn.
"""

import json

import panel as pn
import panel_material_ui as pmui
from fastapi import FastAPI, Response

PATH = "bundle.js"
_SCRIPT = """
(() => {
  const shim = window.importShim
  if (shim === undefined) { return }
  const own = (address) => import(new URL(address, document.baseURI).href)
  window.importShim = Object.assign(own, shim)
  const bundle = %s
  if (bundle !== null) { own(bundle).catch(() => undefined) }
})();
(() => {
  const style = document.createElement("style")
  style.textContent = "#loader:not(.error) { background:none; pointer-events:none }" +
    " body:has([data-root-id]:not(:empty)) #loader:not(.error) { display:none !important }"
  document.head.append(style)
  if (window.innerWidth >= 600) { return }
  const timer = setInterval(() => {
    for (const root of (window.Bokeh?.documents ?? []).flatMap((doc) => doc.roots())) {
      if (root.data?.sidebar_open === true) { root.data.sidebar_open = false; clearInterval(timer) }
    }
  }, 20)
  setTimeout(() => clearInterval(timer), 20000)
})()
"""


def add_bundle(app: FastAPI) -> None:
    """Serve the script and name it in every page."""
    script = _SCRIPT.lstrip() % json.dumps(_address())
    pn.config.js_files = {**pn.config.js_files, "bundle": PATH}

    @app.get(f"/{PATH}", include_in_schema=False)
    def early_import() -> Response:
        return Response(script, media_type="text/javascript", headers={"cache-control": "max-age=3600"})


def _address() -> str | None:
    """Return the address under which panel-material-ui 0.16 names its script, None where it does not say."""
    named = getattr(pmui.Button, "_render_esm", None)
    address = named(True, server=True) if named is not None else None
    return address if isinstance(address, str) and "\n" not in address else None
