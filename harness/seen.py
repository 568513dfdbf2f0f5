"""What the weights of a run saw before its own training, and the verdict that follows for its rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.corpora import contamination
from harness.resolve import Part, Plan


def verdict(plan: Plan, data: str, extra: Iterable[str] = ()) -> dict[str, Any]:
    """What a row says of contamination on data set `data`: verdict, corpora seen, and of which parts nobody says.

    Seen are the corpora of every encoder's weights, as its plugin tells them (`provide_corpora`), and `extra`, the data
    sets that join the training part. Where nothing is trained, the classifiers come from elsewhere too. The training
    part of the task's own data is no contamination: splits keep it from what is judged.
    """
    told = {f"encoder {modality}": saw(plan, part) for modality, part in sorted(plan.encoders.items())}
    if plan.pipeline.train == "none":
        told["fusion"] = saw(plan, plan.fusion)
    seen = {name for names in told.values() for name in names or ()} | set(extra)
    unknown = [part for part, names in told.items() if names is None]
    found = contamination(data, seen)
    return {
        "verdict": "unknown" if unknown and found == "held-out" else found,
        "saw": sorted(seen),
        "not_told": unknown,
    }


def saw(plan: Plan, part: Part) -> tuple[str, ...] | None:
    """The corpora that a component's weights saw; None where its plugin does not say."""
    told = plan.plugins.provided("corpora")
    name = part.component.name
    name = name if name in told or part.argument is None else name.partition(":")[0]
    if name not in told:
        return None
    given = (part.argument,) if part.argument is not None else ()
    names = told[name].thing(*given, **part.component.options)
    return None if names is None else tuple(names)
