from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abaw6.affwild2 import AffWild2
from abaw6.cexpr import CExpr
from abaw6.hume import HumeVidmimic2
from abaw6.specs import CE, EMI, EXPR
from harness.types import Box, Video

HEADER = ",".join(EXPR.labels)


@pytest.fixture
def data(disk: Any) -> Any:
    disk.text("EXPR_Set/Train_Set/a_left.txt", HEADER, *"123")
    disk.image("cropped_aligned/a_left/00002.jpg", grey=77)
    disk.video("batch1/a.mp4", tone=0.5)
    return disk


def opened(disk: Any) -> tuple[Any, Video]:
    reader = AffWild2(disk.root, EXPR)
    return reader.view(), reader.videos()[0]


def test_images_are_rgb(data: Any) -> None:
    view, video = opened(data)
    (image,) = view.images(video, np.flatnonzero(video.face_F))
    assert (image.shape, image.dtype) == ((8, 8, 3), np.uint8)
    assert abs(int(image.mean()) - 77) <= 1


def test_images_without_padding_are_found(data: Any) -> None:
    (data.root / "cropped_aligned/a_left/00002.jpg").rename(data.root / "cropped_aligned/a_left/2.jpg")
    view, video = opened(data)
    assert view.images(video, [1])[0].shape == (8, 8, 3)


def test_sound_from_the_raw_video_or_a_file_beside_it(data: Any) -> None:
    view, video = opened(data)
    assert view.audio(video).samples_S.size == pytest.approx(16_000, abs=2100)
    data.video("batch1/a.mp4")  # the same film, mute
    assert view.audio(video) is None
    data.text("sound/readme.txt")
    data.video("other.mp4", tone=0.25).rename(data.root / "sound" / "a.m4a")
    heard = opened(data)[0].audio(video)
    assert float(np.abs(heard.samples_S).max()) == pytest.approx(0.25, abs=0.05)


def test_text_is_none_where_there_are_no_transcripts(data: Any) -> None:
    view, video = opened(data)
    assert view.text(video) is None


def test_scene_boxes_come_from_the_table_or_are_unknown(data: Any) -> None:
    view, video = opened(data)
    assert [frame.boxes for frame in view.scene(video, 2)] == [None, None]
    lines = ("a,3,1,2,3,4", "a,3,5,6,7,8", "b,3,0,0,1,1")
    data.text("batch1/face_boxes.csv", "video,frame,x0,y0,x1,y1", *lines, end="\r\n")
    view, video = opened(data)
    frames = view.scene(video, 2)  # indices 2 and 7; images are numbered from 1
    assert [frame.boxes for frame in frames] == [(Box(1, 2, 3, 4), Box(5, 6, 7, 8)), ()]
    assert frames[0].image.shape == (32, 32, 3)


def test_scene_without_raw_video_is_empty(data: Any) -> None:
    (data.root / "batch1/a.mp4").unlink()
    view, video = opened(data)
    assert view.scene(video, 3) == []


READERS = {"aff-wild2": (AffWild2, EXPR), "c-expr": (CExpr, CE), "hume-vidmimic2": (HumeVidmimic2, EMI)}


@pytest.mark.parametrize("name", READERS)
def test_a_view_knows_no_label(name: str, disk: Any) -> None:
    """Walks attributes, closures and gc referents of a view and a video, and one step back along gc referrers."""
    disk.text("EXPR_Set/Train_Set/a.txt", HEADER, *"123")
    disk.text("CE_Set/Train_Set/a.txt", ",".join(CE.labels), *"123")
    disk.text("train_split.csv", "Filename," + ",".join(EMI.labels), "00001,.125,.25,.5,0,0,.75")
    disk.text("transcripts.csv", "Filename,text", "00001,hello")
    disk.image("cropped_aligned/a/00001.jpg")
    disk.image("face_images/00001/1.jpg")
    factory, task = READERS[name]
    reader = factory(disk.root, task, "any")
    videos = reader.videos()
    reader.targets(videos[0])
    view = reader.view()
    reached = list(walk([view, *videos]))
    assert len(reached) > 10
    for thing in reached:
        assert not isinstance(thing, (AffWild2, HumeVidmimic2)), thing
        if isinstance(thing, (str, Path)):
            assert not any(word in str(thing) for word in ("Train_Set", "_split", "EXPR_", "CE_Set")), thing
        if isinstance(thing, np.ndarray):
            assert thing.dtype == bool, thing
    behind = [one for thing in (view, *vars(view).values(), *videos) for one in gc.get_referrers(thing)]
    assert not any(isinstance(one, (AffWild2, HumeVidmimic2)) or one is vars(reader) for one in behind)


def walk(start: list[Any]) -> Iterator[Any]:
    seen: set[int] = set()
    todo = list(start)
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(
            thing, (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
        ):
            continue
        seen.add(id(thing))
        yield thing
        todo += gc.get_referents(thing)
        todo += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
