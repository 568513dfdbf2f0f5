from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from abaw6.hume import HumeVidmimic2
from abaw6.specs import EMI
from harness.errors import MissingData, UserError

HEADER = "Filename,Admiration,Amusement,Determination,Empathic Pain,Excitement,Joy"


@pytest.fixture
def data(disk: Any) -> Any:
    disk.text("train_split.csv", HEADER, "08072,0,0.25,0.5,0.75,1,0.125", "00001,0,0,0,0,0,0", end="\r\n")
    disk.text("valid_split.csv", HEADER, "00003,0,0,0,0,0,1")
    disk.text("test_split.csv", "Filename", "00004")
    return disk


def reader(disk: Any) -> HumeVidmimic2:
    return HumeVidmimic2(disk.root, EMI, "any")


def test_clips_of_three_sides_with_one_row_each(data: Any) -> None:
    mine = reader(data)
    assert [video.key for video in mine.videos()] == ["test/00004", "train/00001", "train/08072", "valid/00003"]
    test, zero, some, _ = mine.videos()
    assert mine.targets(some).tolist() == [[0, 0.25, 0.5, 0.75, 1, 0.125]]
    assert mine.targets(zero).tolist() == [[0] * 6]
    assert mine.targets(test).shape == (1, 6)
    assert np.isnan(mine.targets(test)).all()


def test_images_are_sorted_as_numbers_and_numbered_from_one(data: Any) -> None:
    for number in (1, 2, 10):
        data.image(f"face_images/08072/{number}.jpg", grey=10 * number)
    data.video("raw/08072.mp4", fps=Fraction(25, 2))
    video = {v.id: v for v in reader(data).videos()}["08072"]
    assert (video.frames, video.fps) == (10, pytest.approx(12.5))
    assert video.face_F.nonzero()[0].tolist() == [0, 1, 9]
    images = reader(data).view().images(video, [0, 9])
    assert [int(image.mean()) for image in images] == [10, 100]


def test_an_image_zero_anywhere_counts_from_zero(data: Any) -> None:
    data.image("face_images/00001/0.jpg", grey=30)
    data.image("face_images/08072/1.jpg", grey=60)
    videos = {v.id: v for v in reader(data).videos()}
    assert videos["08072"].face_F.tolist() == [False, True]
    assert int(reader(data).view().images(videos["08072"], [1])[0].mean()) == 60


def test_sparse_images_are_a_lower_rate(data: Any) -> None:
    for clip in ("08072", "00001"):
        data.video(f"raw/{clip}.mp4", fps=Fraction(10))
        for number in (1, 2, 3):  # three images of one second, ten frames
            data.image(f"face_images/{clip}/{number}.jpg")
    videos = {v.id: v for v in reader(data).videos()}
    assert (videos["08072"].frames, videos["08072"].fps) == (3, pytest.approx(3.0))
    assert any("about 3 a second" in note for note in reader(data).notes())


def test_a_clip_without_image_sound_or_words_is_still_there(data: Any) -> None:
    data.video("raw/00003.mp4")
    data.text("audio/00003.mp3", "not sound")
    video = {v.id: v for v in reader(data).videos()}["00003"]
    view = reader(data).view()
    assert (video.frames, video.face_F.any()) == (10, np.False_)
    assert view.audio(video) is None
    assert view.text(video) is None


def test_sound_files_come_before_the_raw_video(data: Any) -> None:
    data.video("raw/00003.mp4", tone=0.1)
    data.text("audio/00003.txt")
    data.video("other.mp4", tone=0.5).rename(data.root / "audio/00003.m4a")
    video = {v.id: v for v in reader(data).videos()}["00003"]
    heard = reader(data).view().audio(video)
    assert heard is not None
    assert float(np.abs(heard.samples_S).max()) == pytest.approx(0.5, abs=0.1)


def test_test_media_lie_in_their_own_folder(data: Any) -> None:
    data.video("test_data/raw/00004.mp4")
    for number in (3, 10):
        data.image(f"test_data/face_images/00004/{number}.jpg")
    video = reader(data).videos()[0]
    assert (video.key, video.frames, video.face_F.nonzero()[0].tolist()) == ("test/00004", 10, [2, 9])


def test_transcripts_by_padded_name(data: Any) -> None:
    data.text("transcripts.csv", "Filename,text", '00001,"well, yes"', "3, ")
    first = {v.id: v for v in reader(data).videos()}
    view = reader(data).view()
    assert [view.text(first[name]) for name in ("00001", "00003", "08072")] == ["well, yes", None, None]
    data.text("transcripts.csv", "name,words", "1,x")
    with pytest.raises(UserError, match=r"transcripts\.csv, line 1: expected the header Filename,text"):
        reader(data).view()


def test_missing_tables_and_labels(disk: Any) -> None:
    with pytest.raises(MissingData, match=r"train_split\.csv"):
        reader(disk).videos()
    path = disk.text("train_split.csv", "Filename", "00001")
    with pytest.raises(UserError, match=f"{path}, line 1: expected the columns Admiration"):
        reader(disk).videos()


def test_fingerprint_follows_tables_words_and_media(data: Any) -> None:
    prints = [reader(data).fingerprint(), reader(data).fingerprint()]
    data.text("transcripts.csv", "Filename,text", "00001,yes")
    prints.append(reader(data).fingerprint())
    data.text("audio/00001.mp3", "x")
    prints.append(reader(data).fingerprint())
    data.text("valid_split.csv", HEADER, "00003,0,0,0,0,0,0")
    prints.append(reader(data).fingerprint())
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4
