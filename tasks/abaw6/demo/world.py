"""The plan of the made-up world: which recordings there are, on which side, with which quirks. A pure function of
the seed; nothing is drawn here, so a plan costs nothing and any worker can carry out any part of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from abaw6.demo import prototypes

SEED = 20240318
CLOCK = 90_000  # ticks per second of MP4 time stamps: variable frame rates need them fine
_CODES = {"aff-wild2": 1, "c-expr": 2, "hume-vidmimic2": 3, "demo-pretrain": 4}

_RATES = (
    *[Fraction(30)] * 6,
    *[Fraction(30000, 1001)] * 2,
    *[Fraction(25)] * 4,
    *[Fraction(24000, 1001), Fraction(24)],
    *[Fraction(20), Fraction(15), Fraction(15), Fraction(25, 2), Fraction(10), Fraction(15, 2)],
)


@dataclass(frozen=True)
class Sizes:
    """How much is written: recordings (clips, or people for pre-training) per side, and their length in seconds."""

    train: int
    valid: int
    test: int
    seconds: tuple[float, float]
    stills: int = 0  # of one person, pre-training only


SIZES = {
    "aff-wild2": Sizes(42, 18, 4, (8.0, 11.5)),
    "c-expr": Sizes(28, 12, 3, (8.0, 10.5)),
    "hume-vidmimic2": Sizes(190, 90, 20, (3.0, 4.0)),
    "demo-pretrain": Sizes(125, 0, 0, (0.0, 0.0), stills=40),
}


@dataclass(frozen=True)
class Recording:
    """One raw video: who is where in it, its container, and what is odd about its files."""

    number: int
    name: str
    side: str
    tracks: tuple[str, ...]  # label-file ids: one, or name_left and name_right
    folder: str
    suffix: str
    fps: Fraction
    variable: bool
    seconds: float
    scene: str
    wanted: tuple[tuple[str, float], ...]  # (expression, seconds) to be shown, in no order
    extra_rows: int = 0  # label rows minus decoded frames
    crlf: bool = False
    both_sides: bool = False  # the EXPR label file lies in the train and in the validation folder
    new_crops: bool = False  # crops in the second of the two sub-folders
    partly_invalid: bool = False

    @property
    def frames(self) -> int:
        return max(8, int(self.seconds * self.fps))


def stream(seed: int, dataset: str, number: int, purpose: str) -> np.random.Generator:
    """The random numbers of one purpose in one recording: independent of workers, order and of other purposes."""
    return np.random.default_rng([seed, _CODES[dataset], number, *purpose.encode()])


def frame_times(rng: np.random.Generator, fps: Fraction, frames: int, variable: bool) -> NDArray[np.float64]:
    """t_F, seconds of each frame; a variable rate lets single frames come up to 40 % early or late."""
    t_F = np.arange(frames) / float(fps)
    if variable:
        t_F[1:] += rng.uniform(-0.4, 0.4, frames - 1) / float(fps)
    return np.round(t_F * CLOCK) / CLOCK


def sides(sizes: Sizes) -> list[str]:
    """The side of each recording, by number."""
    return ["train"] * sizes.train + ["valid"] * sizes.valid + ["test"] * sizes.test


def affwild2(seed: int, sizes: Sizes, scenes: Sequence[str]) -> tuple[Recording, ...]:
    """Recordings labelled for VA, EXPR and AU at once; every scene and every rare class spread over the sides."""
    rng = stream(seed, "aff-wild2", 0, "plan")
    where = sides(sizes)
    present = _present(rng, where)
    scene_of = _spread(rng, where, scenes)
    names = _names(rng, len(where))
    plan = []
    for number, side in enumerate(where):
        in_pair = side != "test" and number % 20 in (7, 17) and number != 0
        name = names[number] if not in_pair else f"video{number + 70}"
        avi = number % 9 == 4
        fps = _RATES[int(rng.integers(len(_RATES)))]
        seconds = rng.uniform(*sizes.seconds) * (1.25 if fps < 15 else 1.0)
        plan.append(
            Recording(
                number=number,
                name=name,
                side=side,
                tracks=(f"{name}_left", f"{name}_right") if in_pair else (name,),
                folder="new_vids" if number % 10 == 9 else f"batch{1 + number % 2}",
                suffix=".avi" if avi else ".mp4",
                fps=fps,
                variable=not avi and number % 14 == 6,
                seconds=seconds,
                scene=scene_of[number],
                wanted=_expressions(rng, seconds, present[number]),
                extra_rows=(1, 1, 0, 1, 0, 1, -1, 1, 0, 1, 2)[number % 11],
                crlf=number % 12 == 5,
                both_sides=number == 0,
                new_crops=number % 10 == 9,
                partly_invalid=number % 6 == 3,
            )
        )
    return tuple(plan)


def cexpr(seed: int, sizes: Sizes, scenes: Sequence[str]) -> tuple[Recording, ...]:
    """Recordings of compound expressions; each leaves out one of the seven, so that every class is in six of seven."""
    rng = stream(seed, "c-expr", 0, "plan")
    where = sides(sizes)
    scene_of = _spread(rng, where, scenes)
    share = dict(zip(prototypes.COMPOUNDS, (1.45, 1.9, 1.0, 1.05, 1.05, 0.85, 1.15), strict=True))
    plan = []
    for number, side in enumerate(where):
        left_out = prototypes.COMPOUNDS[(number + number // 7) % 7]
        wanted = [(name, share[name] * rng.uniform(0.7, 1.5)) for name in prototypes.COMPOUNDS if name != left_out]
        fps = max(_RATES[int(rng.integers(len(_RATES)))], Fraction(10))
        name = f"{number - sizes.train - sizes.valid + 1:02d}" if side == "test" else f"ce_{101 + 7 * number}"
        plan.append(
            Recording(
                number=number,
                name=name,
                side=side,
                tracks=(name,),
                folder="test_videos" if side == "test" else "videos",
                suffix=".mp4",
                fps=fps,
                variable=number % 13 == 5,
                seconds=rng.uniform(*sizes.seconds),
                scene=scene_of[number],
                wanted=(("Neutral", 0.5), *wanted),
                extra_rows=(0, 1, 0, 0, -1)[number % 5],
                crlf=number % 11 == 3,
            )
        )
    return tuple(plan)


def _present(rng: np.random.Generator, where: Sequence[str]) -> list[set[str]]:
    """Which expressions each recording is sure to hold: fixed shares of each side, drawn without luck."""
    share = {"Anger": 0.7, "Disgust": 0.68, "Fear": 0.68, "Surprise": 0.75, "Happiness": 0.85, "Sadness": 0.8}
    found: list[set[str]] = [{"Neutral", "Other"} for _ in where]
    for side in dict.fromkeys(where):
        members = [k for k, s in enumerate(where) if s == side]
        for name, part in share.items():
            for k in rng.permutation(members)[: int(np.ceil(part * len(members)))]:
                found[k].add(name)
    return found


def _expressions(rng: np.random.Generator, seconds: float, present: set[str]) -> tuple[tuple[str, float], ...]:
    """The expressions of one recording: rare ones briefly, then common ones until the time is filled."""
    brief = {"Anger": (0.55, 0.85), "Disgust": (0.5, 0.75), "Fear": (0.5, 0.75), "Surprise": (0.7, 1.1)}
    wanted = [(name, rng.uniform(*brief.get(name, (1.0, 1.8)))) for name in prototypes.EXPRESSIONS if name in present]
    # A person has favourites: Dirichlet weights around the shares of the real data.
    common = [name for name in ("Neutral", "Other", "Happiness", "Sadness") if name in present]
    base = {"Neutral": 1.3, "Other": 2.2, "Happiness": 1.2, "Sadness": 1.0}
    weight = rng.dirichlet([base[name] for name in common])
    while (left := seconds - sum(length for _, length in wanted)) > 0.8:
        wanted.append((common[int(rng.choice(len(common), p=weight))], min(left, rng.uniform(1.0, 2.4))))
    return tuple(wanted)


def _spread(rng: np.random.Generator, where: Sequence[str], scenes: Sequence[str]) -> list[str]:
    """A scene for each recording, each scene equally often on each side."""
    found = [""] * len(where)
    for side in dict.fromkeys(where):
        members = rng.permutation([k for k, s in enumerate(where) if s == side])
        for place, k in enumerate(members):
            found[k] = scenes[place % len(scenes)]
    return found


def _names(rng: np.random.Generator, n: int) -> list[str]:
    """Ids in the three styles of the real data; the numbers in them mean nothing."""
    numbers = rng.permutation(np.arange(100, 560))[:n]
    sizes = ("1280x720", "1920x1080", "640x480")
    found = ["122-60-1920x1080-1"]
    for k in range(1, n):
        if k % 3 == 0:
            found.append(f"{numbers[k]}-{(24, 25, 30, 60)[k % 4]}-{sizes[k // 3 % 3]}" + ("-2" if k % 5 == 0 else ""))
        elif k % 3 == 1:
            found.append(str(numbers[k]))
        else:
            found.append(f"video{k}" + ("_1" if k % 4 == 0 else ""))
    return found


def group_of(track: str) -> str:
    """The raw recording of a label file: without `_left` or `_right`."""
    return re.sub(r"_(left|right)$", "", track)
