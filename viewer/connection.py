"""What a page does when its socket breaks: say so, wait for the server, and come back to the same view.

Sessions live in the server. A page whose session is gone (server started anew, a laptop that slept, a line so slow that
the session ended before the socket came) would stay on the screen and answer nothing; Panel 1.9 can only reconnect to a
session that still lives. So the page loads again: its whole view is in the address. `way_back.js` does it in the
browser; a socket that asks for a session that is gone is closed with `SESSION_ENDED` (`stack_fixes.py`).
"""

import json
from importlib.resources import files

import panel as pn
from fastapi import FastAPI, Response

from viewer.texts import LANGUAGES, Texts

PATH = "way_back.js"
SESSION_ENDED = 4404
_WORDS = ("lost", "failed", "reload")


def add_way_back(app: FastAPI) -> None:
    """Serve the script and name it in every page."""
    script = _script()
    pn.config.js_files = {**pn.config.js_files, "connection": PATH}

    @app.get(f"/{PATH}", include_in_schema=False)
    def way_back() -> Response:
        return Response(script, media_type="text/javascript", headers={"cache-control": "max-age=3600"})


def _script() -> str:
    words = {lang: {w: Texts(lang)(f"connection.{w}") for w in _WORDS} for lang in LANGUAGES}
    head = f"const SESSION_ENDED = {SESSION_ENDED}, WORDS = {json.dumps(words)};\n"
    return head + files("viewer").joinpath(PATH).read_text(encoding="utf-8")
