"""Every mistake the harness answers with one line instead of a traceback.

Exit codes: 2 the user typed something wrong, 3 data or weights are missing, 4 some tasks of several failed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """A mistake with a one-line answer; `exit_code` is what the command line returns."""

    exit_code = 1


class UserError(HarnessError):
    """Something typed is wrong: the message says what was expected, what came, and near names."""

    exit_code = 2


class MissingData(HarnessError):
    """Data, weights or a finished run are not where they were looked for."""

    exit_code = 3


class SomeTasksFailed(HarnessError):
    """Several tasks were asked for and some did not finish; the others did."""

    exit_code = 4


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name nobody provides.

    >>> str(unknown("encoder", "mae_vit_l", ["mae_vit_b", "vggish"]))
    "No encoder is called 'mae_vit_l'. Did you mean 'mae_vit_b'? Known: mae_vit_b, vggish"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return UserError(f"No {what} is called {name!r}.{hint} Known: {', '.join(names) or 'none'}")
