"""Cards, badges, notes and small tables as HTML panes with one style sheet.

Text from data is always escaped. Colours follow the theme through `currentColor`. Next: `panel.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import panel as pn

from viewer.theme import STATUS

LONG_VALUE, CARDS_IN_A_ROW = 11, 7
_UNIT = re.compile(r"(?<=\d) (?=(?:[kM]?Wh?|kvar|m?[AV]|h|°C|%)(?!\w))")
CSS = f"""
:host {{ --ok:{STATUS["ok"]}; --warn:{STATUS["warn"]}; --bad:{STATUS["bad"]}; --none:{STATUS["none"]};
  --info:{STATUS["info"]}; --line:color-mix(in srgb, currentColor 16%, transparent);
  --soft:color-mix(in srgb, currentColor 5%, transparent); --mute:color-mix(in srgb, currentColor 72%, transparent);
  font-family:Roboto, system-ui, sans-serif; font-size:14px; line-height:1.4; display:block; }}
.cards {{ display:grid; gap:12px; grid-template-columns:repeat(auto-fit, minmax(max(148px,
  (100% - (var(--most) - 1) * 12px) / var(--most)), 1fr)); }}
.card {{ border:1px solid var(--line); border-radius:10px; padding:11px 14px; background:var(--soft); min-width:0; }}
.card .l {{ font-size:12.5px; color:var(--mute); overflow-wrap:anywhere; }}
.card .v {{ font-size:23px; font-weight:600; font-variant-numeric:tabular-nums; white-space:nowrap; line-height:1.3; }}
.card .v small {{ font-size:14px; font-weight:400; color:var(--mute); }}
.card .v.t {{ font-size:17px; white-space:normal; line-height:1.25; padding:3px 0; }}
.card .n {{ font-size:12.5px; color:var(--mute); overflow-wrap:anywhere; }}
.b {{ display:inline-flex; align-items:baseline; gap:6px; }}
.b::before {{ font-size:11px; line-height:1; content:"●"; color:var(--none); }}
.b.ok::before {{ content:"●"; color:var(--ok); }} .b.warn::before {{ content:"▲"; color:var(--warn); }}
.b.bad::before {{ content:"■"; color:var(--bad); }} .b.none::before {{ content:"○"; color:var(--none); }}
.b.info::before {{ content:"●"; color:var(--info); }}
.note {{ color:var(--mute); font-size:13px; }}
.msg {{ border:1px solid var(--line); border-left:4px solid var(--info); border-radius:8px; padding:12px 16px;
  background:var(--soft); }}
.msg.warn {{ border-left-color:var(--warn); }} .msg.bad {{ border-left-color:var(--bad); }}
.msg.ok {{ border-left-color:var(--ok); }} .msg h3 {{ margin:0 0 4px; font-size:15px; font-weight:600; }}
code {{ background:color-mix(in srgb, currentColor 10%, transparent); border-radius:4px; padding:1px 6px; }}
.scroll {{ overflow-x:auto; animation:more linear; animation-timeline:scroll(self inline); }}
@keyframes more {{ 0%, 99% {{ mask-image:linear-gradient(to left, transparent, #000 64px); }}
  100% {{ mask-image:none; }} }}
table {{ border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; }}
th {{ text-align:left; font-weight:600; font-size:12.5px; padding:6px 10px; border-bottom:1px solid var(--line);
  color:var(--mute); vertical-align:bottom; }}
td {{ padding:6px 10px; border-bottom:1px solid var(--line); vertical-align:top; }}
th.r, td.r {{ text-align:right; white-space:nowrap; }}
tbody tr:hover {{ background:var(--soft); }}
h2 {{ font-size:16px; font-weight:600; margin:0; }} h2 + .note {{ margin-top:2px; }}
a {{ color:inherit; text-decoration-color:var(--mute); text-underline-offset:3px; }}
a:focus-visible {{ outline:2px solid var(--info); outline-offset:2px; }}
.skeleton {{ height:var(--h, 90px); border-radius:8px; background:linear-gradient(90deg, var(--soft) 25%,
  var(--line) 50%, var(--soft) 75%); background-size:300% 100%; animation:wave 1.6s infinite linear; }}
@keyframes wave {{ from {{ background-position:100% 0; }} to {{ background-position:-50% 0; }} }}
@media (prefers-reduced-motion: reduce) {{ .skeleton {{ animation:none; }} }}
@media (max-width: 560px) {{ .cards {{ grid-template-columns:repeat(2, minmax(0, 1fr)); gap:8px; }}
  .card .v {{ font-size:19px; white-space:normal; }} }}
"""


@dataclass(frozen=True)
class Card:
    """One figure: label, value, unit, and a line below with an optional status."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    status: str = ""
    title: str = ""


@dataclass(frozen=True)
class Html:
    """Markup that is safe as it stands."""

    markup: str


def pane(markup: str, **params: object) -> pn.pane.HTML:
    """Return an HTML pane with the shared style sheet."""
    params.setdefault("sizing_mode", "stretch_width")
    params.setdefault("margin", 0)
    return pn.pane.HTML(markup, stylesheets=[CSS], **params)


def glued(text: str) -> str:
    """Return a text in which no line ends between a number and its unit."""
    return _UNIT.sub("\N{NO-BREAK SPACE}", text)


def badge(word: str, status: str) -> Html:
    """Return a word with its symbol; the symbol's shape differs as well as its colour."""
    return Html(f'<span class="b {escape(status)}">{escape(word)}</span>')


def cards(items: Sequence[Card]) -> str:
    """Return a grid of cards, at most `CARDS_IN_A_ROW` side by side, in rows of about the same length."""
    rows = max(1, -(-len(items) // CARDS_IN_A_ROW))
    most = max(1, -(-len(items) // rows))
    return f'<div class="cards" style="--most:{most}">{"".join(_card(c) for c in items)}</div>'


def _card(c: Card) -> str:
    unit = f" <small>{escape(c.unit)}</small>" if c.unit else ""
    note = badge(glued(c.note), c.status).markup if c.status and c.note else escape(glued(c.note))
    title = f' title="{escape(c.title)}"' if c.title else ""
    small = " t" if len(c.value) > LONG_VALUE else ""
    return (
        f'<div class="card" role="group" aria-label="{escape(c.label)}"{title}><div class="l">{escape(c.label)}</div>'
        f'<div class="v{small}">{escape(c.value)}{unit}</div><div class="n">{note}</div></div>'
    )


def message(title: str, text: str = "", status: str = "info", command: str = "") -> str:
    """Return a boxed message; `command` is shown as code."""
    code = f" <code>{escape(command)}</code>" if command else ""
    role = "alert" if status == "bad" else "status"
    body = f"<div>{escape(text)}{code}</div>" if text or code else ""
    return f'<div class="msg {escape(status)}" role="{role}"><h3>{escape(title)}</h3>{body}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Return a table; cells are text or `Html`; columns in `right` are aligned right."""
    marks = [' class="r"' if i in right else "" for i in range(len(head))]
    top = "".join(f'<th scope="col"{m}>{escape(h)}</th>' for h, m in zip(head, marks, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{m}>{cell_markup(c)}</td>" for c, m in zip(row, marks, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def cell_markup(value: object) -> str:
    """Return a cell's markup, escaped unless it is `Html`."""
    return value.markup if isinstance(value, Html) else escape(str(value))
