"""Where the 3D surface is served: shared by the page that asks and the route that answers."""

from urllib.parse import urlencode

HEIGHT = 560
PATH, SCRIPT = "/surface", "/surface/plotly.js"


def surface_url(device: str, quantity: str, pack: int, first: str, last: str, lang: str, theme: str) -> str:
    """Return the address of a surface."""
    asked = {
        "device": device,
        "quantity": quantity,
        "pack": pack,
        "first": first,
        "last": last,
        "lang": lang,
        "theme": theme,
    }
    return f"{PATH[1:]}/view?{urlencode(asked)}"
