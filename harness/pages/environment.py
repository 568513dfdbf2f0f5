"""Templates to bytes: everything escaped, nothing undefined, nothing from elsewhere.

The content security policy of a page names its one inline script by hash, so that text of a plugin cannot run even
where a template forgot to escape it, and no page can load or send anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.boards.tables import DAGGER, METRICS, printed
from harness.pages.charts import share_bar, tick


def render(template: str, words: Mapping[str, Any], *, style: str = "", script: str = "") -> bytes:
    """A page from `harness/templates`; `style` and `script` are files there, put inline after the base's style."""
    source = Markup(_environment().get_template(script).render()) if script else ""  # a file of ours, without words
    page = _environment().get_template(template)
    return page.render(**words, own_style=style, script=source, policy=policy(source)).encode()


def policy(script: str) -> str:
    """The content security policy of a page whose one inline script is `script`; "" where it has none.

    >>> policy("")
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    run = f"script-src 'sha256-{digest}'; " if script else ""
    return f"default-src 'none'; {run}style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def number(value: float, digits: int = 0) -> str:
    """A number with thousands apart by a narrow space.

    >>> number(10867), number(0.52591, 2)
    ('10\u202f867', '0.53')
    """
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Seconds for the eye.

    >>> duration(0.52), duration(382), duration(7260)
    ('0.5 s', '6 min 22 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


FILTERS: dict[str, Callable[..., str]] = {"score": printed, "number": number, "duration": duration, "tick": tick}


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("harness"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= FILTERS
    made.globals |= {"DAGGER": DAGGER, "METRICS": METRICS, "share_bar": share_bar}
    return made
