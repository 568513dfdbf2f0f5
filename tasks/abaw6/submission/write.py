"""The bytes of an official file: the template's header and names, LF line ends, no byte-order mark.

Numbers are written in the fewest digits that read back as the same float32, so a score of the file is the run's own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from abaw6.submission.form import Form
from abaw6.submission.template import Template
from harness.progress import Progress, silent
from harness.types import Floats


def content(template: Template, decision_RL: Floats, progress: Progress = silent) -> bytes:
    """The file for the decisions of every row of the template."""
    values = progress(texts(template.form, decision_RL), "write rows", len(template.names))
    rows = (f"{name},{text}\n" for name, text in zip(template.names, values, strict=True))
    return "".join((f"{template.header}\n", *rows)).encode()


def texts(form: Form, decision_RL: Floats) -> Iterator[str]:
    """What stands after each row's name."""
    if form.task.kind.name == "one_of":
        return map(str, decision_RL.argmax(axis=1).tolist())
    if form.task.kind.name == "any_of":
        return (",".join(map(str, row_L)) for row_L in decision_RL.astype(int).tolist())
    return (",".join(map(shortest, row_L)) for row_L in decision_RL)


def shortest(value: np.float32) -> str:
    """A number in the fewest digits that give it back, never with an exponent.

    >>> shortest(np.float32(0.1)), shortest(np.float32(1e-5)), shortest(np.float32(-0.0))
    ('0.1', '0.00001', '0.0')
    """
    return np.format_float_positional(value + np.float32(0), unique=True, trim="0")
