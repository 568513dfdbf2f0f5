"""One page per finished split of a run: how good, where, against what, with what, and how to get it again.

Truth stands on it where the run's data is there; `share` leaves out timelines, scatter, frames and single clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.boards.files import WHAT_DEMO_MEANS
from harness.boards.rows import DEMO, FEW_CLUSTERS, Score
from harness.metrics import get
from harness.pages.agreement import confusion, counts, left_out, pairs, scatter, shares
from harness.pages.by_video import ERROR, MEASURES, Met, from_worst
from harness.pages.charts import Axis, axis_of, bar, course, whisker
from harness.pages.environment import render
from harness.pages.evidence import Case, Evidence, Truth
from harness.pages.timelines import bars, hue, thumbnails, timeline

SHOWN = 5  # videos at either end
COVERAGE = {
    "videos": "videos judged",
    "rows": "rows in them",
    "judged_rows": "rows with a label",
    "judged_without_face": "of these, without a face",
    "videos_without_any_face": "videos without any face",
    "train_videos": "videos trained on",
    "inner_videos": "videos chosen on (inner split)",
    "held_videos": "videos held out",
}


def file_of(split: str, *, share: bool = False) -> str:
    """How a report is called in its run's folder.

    >>> file_of("official"), file_of("fold-1", share=True)
    ('report.html', 'report.fold-1.share.html')
    """
    return "".join(["report", f".{split}" * (split != "official"), ".share" * share, ".html"])


def report(evidence: Evidence, *, share: bool = False) -> bytes:
    """The page as HTML. With `share` it holds no label and no frame of any one video."""
    row = evidence.row
    truth = None if share else evidence.truth
    words = {
        "row": row,
        "heading": f"{row['system']}@{row['profile']}",
        "holds_truth": truth is not None,
        "share": share,
        "missing": evidence.missing,
        "notes": _notes(row),
        "score": _score(row) if row["score"] is not None else None,
        "decisions": counts(evidence.stats_VLk, row["labels"]) if _decides(evidence) else [],
        "confusion": _confusion(evidence.truth),
        "scatters": _scatters(truth),
        **_videos(evidence, truth),
        "scenes": _scenes(row),
        "choices": [_choice(choice) for choice in row["choices"]],
        "coverage": _coverage(row["coverage"]),
        "contamination": _contamination(row),
        "scored": _scored(row),
    }
    return render("report.html", words, style="report.css")


def _decides(evidence: Evidence) -> bool:
    return evidence.row["metric"] == "f1" and len(evidence.videos) > 0


def _notes(row: Mapping[str, Any]) -> list[str]:
    notes = [WHAT_DEMO_MEANS.replace("**", "")] if row["data"]["name"] == DEMO else []
    notes += [f"Partial: {row['partial']}. This is a trial, kept off boards."] if row["partial"] else []
    absent = row["coverage"].get("absent_labels", ())
    notes += [f"No positive row among those judged: {', '.join(absent)}. P counts them all the same."] if absent else []
    leaks = row["coverage"].get("leaks", ())
    fate = "dropped from training" if row["data"]["dedupe"] else "kept"
    notes += [f"Recordings on both sides ({fate}): {'; '.join(leaks)}."] if leaks else []
    return notes


def _score(row: Mapping[str, Any]) -> dict[str, Any]:
    block, metric = row["score"], row["metric"]
    labels = {label: Score(**block["labels"][label]) for label in row["labels"]}
    few = block["interval"].get("few_clusters", ())
    p = Score(**block["P"])
    axis = axis_of([p, *labels.values()], zero=True)
    return {
        "p": p,
        "whisker": whisker(p, metric, axis),
        "axis": axis,
        "labels": [(label, score, bar(score, metric, axis), label in few) for label, score in labels.items()],
        "few": list(few),
        "few_means": FEW_CLUSTERS.removeprefix("† "),
        "interval": block["interval"],
    }


def _confusion(truth: Truth | None) -> dict[str, Any] | None:
    """Both ways to read it; None where rows may hold several labels, or values."""
    if truth is None or truth.task.kind.name != "one_of":
        return None
    count_LL = confusion(truth.cases.values(), len(truth.task.labels))
    return {
        "labels": truth.task.labels,
        "counts": count_LL.tolist(),
        "left_out": left_out(truth.cases.values()),
        "of_true": shares(count_LL, axis=1),
        "of_decided": shares(count_LL, axis=0),
    }


def _scatters(truth: Truth | None) -> list[dict[str, Any]]:
    if truth is None or truth.task.kind.name != "continuous":
        return []
    found = []
    for i, label in enumerate(truth.task.labels):
        target_R, pred_R = pairs(truth.cases.values(), i)
        what = f"{label}: truth to the right, prediction upwards"
        drawn = scatter(target_R, pred_R, truth.task.kind, what)
        found.append({"label": label, "rows": len(target_R), "drawn": drawn, "kind": truth.task.kind})
    return found


def _videos(evidence: Evidence, truth: Truth | None) -> dict[str, Any]:
    """Worst and best videos, and what was predicted along some of them.

    In a video-level task how well a video was met is its label, or near it: then nothing of it is shown without truth.
    """
    row = evidence.row
    hidden = not evidence.videos or (row["level"] == "video" and truth is None)
    met = [] if hidden else from_worst(get(row["metric"]), evidence.stats_VLk, evidence.videos, evidence.groups)
    ends = min(SHOWN, len(met) // 2)
    ranks = {0: "worst", len(met) // 2: "middle", len(met) - 1: "best"} if met and truth else {}
    return {
        "measure": MEASURES.get(row["metric"], ERROR),
        "n_videos": len(met),
        "worst": met[:ends],
        "best": met[len(met) - ends :][::-1],
        "timelines": [_timeline(rank, met[at], truth) for at, rank in ranks.items()] if truth else [],
        "legend": _legend(truth) if truth else [],
    }


def _timeline(rank: str, met: Met, truth: Truth) -> dict[str, Any]:
    case: Case = truth.cases[met.video]
    kind, labels = truth.task.kind, truth.task.labels
    along = truth.task.level == "frame"
    draw = timeline if along else bars
    return {
        "rank": rank,
        "met": met,
        "seconds": case.video.frames / case.video.fps,
        "along": along,
        "rows": draw(case, kind, labels),
        "thumbnails": thumbnails(case, truth.reader),
        "faceless": int((~case.video.face_F).sum()),
    }


def _legend(truth: Truth) -> list[tuple[str, str]]:
    """Classes and their colours, where ribbons are coloured by class."""
    task = truth.task
    if task.kind.name != "one_of" or task.level != "frame":
        return []
    return [(label, hue(i, len(task.labels))) for i, label in enumerate(task.labels)]


def _scenes(row: Mapping[str, Any]) -> dict[str, Any] | None:
    scored = (row["parts"] or {}).get("scores") or {}
    if not scored or row["parts"]["k"] < 2:  # one scene is the whole
        return None
    axis: Axis = axis_of([Score(one["P"]) for one in scored.values()], zero=True)
    rows = [{"name": name, **one, "drawn": bar(Score(one["P"]), row["metric"], axis)} for name, one in scored.items()]
    return {"rows": rows, "source": row["parts"]["source"], "partition": row["parts"]["partition"]}


def _choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A choice with the course of what was tried; epochs count from 1, other candidates are listed."""
    if "chosen" not in choice:  # a frozen encoder, of which nothing is chosen
        choice = {"what": f"adapt {choice['modality']}", "chosen": "frozen", "by": "nothing trained"}
    scores: Sequence[float] = choice.get("scores", ())
    candidates = choice.get("candidates") or list(range(1, len(scores) + 1))
    at = candidates.index(choice["chosen"]) if choice["chosen"] in candidates else None
    what = f"{choice['what']}: {len(scores)} tried, {choice['chosen']} chosen"
    return {
        **{name: choice[name] for name in ("what", "chosen", "by")},
        "candidates": choice.get("candidates", ()),
        "score": scores[at] if at is not None else None,
        "drawn": course(scores, at, what) if len(scores) > 1 else "",
    }


def _contamination(row: Mapping[str, Any]) -> str:
    """What the weights saw before, and what follows; rows of older versions do not say."""
    told = row.get("contamination")
    if told is None:
        return "unknown"
    parts = [f"saw {', '.join(told['saw'])}"] if told.get("saw") else []
    parts += [f"not told of {', '.join(told['not_told'])}"] if told.get("not_told") else []
    return "; ".join([told["verdict"], *parts])


def _scored(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of predictions of others: what was read, by which rule, and where its frames are not those of the labels."""
    told = {**row.get("scored", {}), **{key: value for key, value in row["coverage"].items() if key == "differences"}}
    found = []
    for key, value in told.items():
        several = [f"{k} as {v}" for k, v in value.items()] if isinstance(value, Mapping) else value
        text = "; ".join(map(str, several)) if isinstance(several, list) else str(several)
        found += [(key.replace("_", " "), text)] if text and value is not None else []
    return found


def _coverage(coverage: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Counts in words; what is not a count stands in the notes."""
    found = [(name, coverage[key]) for key, name in COVERAGE.items() if key in coverage]
    others = {key: value for key, value in coverage.items() if key not in COVERAGE and isinstance(value, int)}
    return found + [(key.replace("_", " "), value) for key, value in others.items()]
