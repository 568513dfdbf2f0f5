"""Corpora by name, which of them share recordings, and what follows for a score: did the weights see what judges them?

A verdict is `in-sample` (they saw the judged data set, or a corpus that shares recordings with it), `held-out` (all
that they saw is known, and none of it does), or `unknown`. Unknown is not clean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from harness.errors import UserError, unknown
from harness.weights import is_remote

Contamination = Literal["in-sample", "held-out", "unknown"]
VERDICTS: tuple[str, ...] = get_args(Contamination)
NOTE = (
    "Contamination: in-sample, the weights saw the judged data set or a corpus that shares recordings with it; "
    "held-out, all that they saw is known and none of it does; unknown is not clean."
)
SIDECAR = "corpora"  # the field of a JSON beside a file of weights that names what they saw


@dataclass(frozen=True)
class Corpus:
    """What is known of a corpus: recordings of which others it holds, and of which it may hold some."""

    title: str
    holds: tuple[str, ...] = ()
    may_hold: tuple[str, ...] = ()
    source: str = ""


YOUTUBE = ("aff-wild", "aff-wild2", "c-expr")  # recordings that their authors took from YouTube
CORPORA: Mapping[str, Corpus] = {
    # made up by this harness: nobody else's recordings are in it
    "demo": Corpus("the demo world's data sets"),
    "demo-pretrain": Corpus("the demo world's unlabelled faces, of people who are in none of its data sets"),
    # judged here
    "aff-wild": Corpus("Aff-Wild", source="Zafeiriou et al., CVPRW 2017; Kollias et al., IJCV 2019"),
    "aff-wild2": Corpus("Aff-Wild2", holds=("aff-wild",), source="Kollias and Zafeiriou, arXiv:1811.07770"),
    "c-expr": Corpus("C-EXPR-DB", source="Kollias, CVPR 2023"),
    "hume-vidmimic2": Corpus("Hume-Vidmimic2", source="Kollias et al., The 6th ABAW Competition, CVPRW 2024"),
    # labelled faces
    "affectnet": Corpus("AffectNet", source="Mollahosseini et al., IEEE TAC 2019: still images of the web"),
    "bp4d": Corpus("BP4D-Spontaneous", source="Zhang et al., IVC 2014: recorded in a laboratory"),
    "bp4d+": Corpus("BP4D+", source="Zhang et al., CVPR 2016: recorded in a laboratory"),
    "ck+": Corpus("Extended Cohn-Kanade", source="Lucey et al., CVPRW 2010: recorded in a laboratory"),
    "disfa": Corpus("DISFA", source="Mavadati et al., IEEE TAC 2013: recorded in a laboratory"),
    "fer2013": Corpus("FER2013", source="Goodfellow et al., ICONIP 2013: still images of the web"),
    "raf-db": Corpus("RAF-DB", holds=("raf-db-compound",), source="Li et al., CVPR 2017: still images of the web"),
    "raf-db-compound": Corpus("RAF-DB, compound part", source="Li et al., CVPR 2017: still images of the web"),
    # faces without labels of affect
    "casia-webface": Corpus("CASIA-WebFace", source="Yi et al., arXiv:1411.7923: still images of the web"),
    "celeba": Corpus("CelebA", source="Liu et al., ICCV 2015: still images of the web"),
    "imdb-wiki": Corpus("IMDB-WIKI", source="Rothe et al., IJCV 2018: still images of the web"),
    "vggface2": Corpus("VGGFace2", source="Cao et al., FG 2018: still images of the web"),
    "voxceleb2": Corpus("VoxCeleb2", may_hold=YOUTUBE, source="Chung et al., Interspeech 2018: videos of YouTube"),
    # anything
    "audioset": Corpus("AudioSet", may_hold=YOUTUBE, source="Gemmeke et al., ICASSP 2017: sound of YouTube videos"),
    "imagenet": Corpus("ImageNet", source="Deng et al., CVPR 2009: still images of the web"),
    "librispeech": Corpus("LibriSpeech", source="Panayotov et al., ICASSP 2015: read audio books"),
    "youtube-8m": Corpus("YouTube-8M", may_hold=YOUTUBE, source="Abu-El-Haija et al., arXiv:1609.08675"),
}


def contamination(judged: str, saw: Iterable[str] | None) -> Contamination:
    """The verdict on a score on data set `judged`, of weights that saw these corpora; None: nobody says.

    Names that are not in `CORPORA` are not known to share nothing.

    >>> [contamination("aff-wild2", saw) for saw in (["affectnet"], ["aff-wild"], ["youtube-8m"], [], None)]
    ['held-out', 'in-sample', 'unknown', 'held-out', 'unknown']
    """
    if saw is None:
        return "unknown"
    relations = [_relation(judged, name) for name in saw]
    if "in-sample" in relations:
        return "in-sample"
    return "unknown" if "unknown" in relations else "held-out"


def verdicts(text: str) -> frozenset[str]:
    """Verdicts as typed, separated by commas; UserError for another word.

    >>> sorted(verdicts("held-out, unknown"))
    ['held-out', 'unknown']
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words or [""]:
        if word not in VERDICTS:
            raise unknown("verdict on contamination", word, VERDICTS)
    return frozenset(words)


def of_weights(reference: str | None, known: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """What weights saw, by how an option names them; None where nobody says.

    "random" saw nothing and "data:NAME" the images of NAME; `known` tells of published ones, by reference; a file of
    the user's own may have a JSON of the same stem beside it whose field `corpora` says (`harness pretrain-mae` writes
    it). UserError where that field is no list of names.
    """
    if reference is None:
        return None
    if reference == "random":
        return ()
    if reference.startswith("data:"):
        return (reference.removeprefix("data:"),)
    if reference in known:
        return tuple(known[reference])
    path = Path(reference).expanduser()
    return _of_sidecar(path.with_suffix(".json")) if path.name and not is_remote(reference) else None


def _relation(judged: str, seen: str) -> Contamination:
    if judged == seen:
        return "in-sample"
    if judged not in CORPORA or seen not in CORPORA:
        return "unknown"
    ours, theirs = CORPORA[judged], CORPORA[seen]
    if judged in theirs.holds or seen in ours.holds:
        return "in-sample"
    return "unknown" if judged in theirs.may_hold or seen in ours.may_hold else "held-out"


def _of_sidecar(path: Path) -> tuple[str, ...] | None:
    if not path.is_file():
        return None
    try:
        facts: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: expected JSON beside a file of weights, {error}") from None
    if not isinstance(facts, dict) or SIDECAR not in facts:
        return None
    names = facts[SIDECAR]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: expected {SIDECAR} to be a list of names, came {names!r:.60}")
    return tuple(names)
