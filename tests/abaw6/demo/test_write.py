from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import av
import numpy as np
import pytest

from abaw6.demo import affwild2_files, cexpr_files, hume_files, write
from abaw6.demo.world import Sizes
from harness.errors import UserError

TINY = {
    "aff-wild2": Sizes(2, 1, 1, (0.4, 0.5)),
    "c-expr": Sizes(2, 1, 1, (0.7, 0.8)),
    "hume-vidmimic2": Sizes(3, 2, 1, (0.8, 0.9)),
    "demo-pretrain": Sizes(2, 0, 0, (0.0, 0.0), stills=3),
}


@pytest.fixture(scope="module")
def affwild2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "aff-wild2"
    return write.write("aff-wild2", root, workers=1, sizes=Sizes(18, 1, 1, (0.6, 0.7)))


def _digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _decoded(path: Path) -> tuple[int, np.ndarray]:
    """Decoded frames, and the sound's samples_S at 16 kHz."""
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].rate == 16_000
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
    sound_S = np.concatenate(parts, axis=1)[0]
    return frames, sound_S / 32768 if sound_S.dtype == np.int16 else sound_S


def _rows(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:]


def test_labels_crops_and_frames_belong_together(affwild2: Path) -> None:
    missing = 0
    for track_file in sorted((affwild2 / affwild2_files.ANNOTATIONS).glob("VA*/Train_Set/*.txt")):
        recording = track_file.stem.removesuffix("_left").removesuffix("_right")
        [raw] = [p for p in affwild2.glob(f"*/{recording}.*") if p.suffix in (".mp4", ".avi")]
        frames, sound_S = _decoded(raw)
        assert -1 <= len(_rows(track_file)) - frames <= 2
        assert 0.0001 < np.sqrt(np.mean(np.square(sound_S))) < 0.5
        [crops] = (affwild2 / "cropped_aligned").glob(f"*/{track_file.stem}")
        numbers = {int(path.stem) for path in crops.glob("*.jpg")}
        assert numbers <= set(range(1, frames + 1))
        missing += frames - len(numbers)
        for kind, folder in affwild2_files.FOLDERS.items():
            path = affwild2 / affwild2_files.ANNOTATIONS / folder / "Train_Set" / track_file.name
            assert path.read_text().splitlines()[0] == affwild2_files.HEADERS[kind]
            assert len(_rows(path)) == len(_rows(track_file))
    assert missing > 0


def test_label_files_have_the_quirks_of_the_real_ones(affwild2: Path) -> None:
    texts = [path.read_bytes() for path in affwild2.glob(f"{affwild2_files.ANNOTATIONS}/*/*/*.txt")]
    assert 0 < sum(b"\r\n" in text for text in texts) < len(texts) / 2
    au_rows = [row for path in affwild2.glob(f"{affwild2_files.ANNOTATIONS}/AU*/*/*.txt") for row in _rows(path)]
    assert any("-1" in row and ("0" in row.split(",") or "1" in row.split(",")) for row in au_rows)
    both = [
        {p.name for p in affwild2.glob(f"{affwild2_files.ANNOTATIONS}/EXPR*/{s}/*.txt")}
        for s in ("Train_Set", "Validation_Set")
    ]
    assert both[0] & both[1] == {"122-60-1920x1080-1.txt"}
    pairs = {path.stem.rsplit("_", 1)[1] for path in affwild2.glob(f"{affwild2_files.ANNOTATIONS}/VA*/*/*_[lr]*t.txt")}
    assert pairs == {"left", "right"}
    assert list(affwild2.rglob(".DS_Store"))
    assert list(affwild2.rglob("Thumbs.db"))


def test_face_boxes_lie_in_the_frame_and_pairs_have_two(affwild2: Path) -> None:
    faces: dict[tuple[str, int], int] = {}
    for path in affwild2.glob("*/face_boxes.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                x0, y0, x1, y1 = (float(row[name]) for name in ("x0", "y0", "x1", "y1"))
                assert -20 < x0 < x1 < 276
                assert -20 < y0 < y1 < 212
                key = (row["video"], int(row["frame"]))
                faces[key] = faces.get(key, 0) + 1
    assert min(frame for _, frame in faces) == 1
    assert {faces[key] for key in faces if key[0] == "video77"} == {2}
    assert {faces[key] for key in faces if key[0] != "video77" and key[0] != "video87"} == {1}


def test_test_videos_are_named_and_unlabelled(affwild2: Path) -> None:
    folder = affwild2 / "names_of_videos_in_each_test_set"
    [name] = (folder / "VA_test_set_release.txt").read_text().split()
    assert list(affwild2.glob(f"cropped_aligned/*/{name}/00001.jpg")) or list(
        affwild2.glob(f"cropped_aligned/*/{name}/*.jpg")
    )
    assert not list(affwild2.glob(f"{affwild2_files.ANNOTATIONS}/**/{name}.txt"))


def test_cexpr_layout(tmp_path: Path) -> None:
    root = write.write("c-expr", tmp_path / "ce", workers=1, sizes=TINY["c-expr"])
    labels = sorted((root / cexpr_files.LABELS).glob("*/*.txt"))
    assert [path.parent.name for path in labels] == ["Train_Set", "Train_Set", "Validation_Set"]
    for path in labels:
        assert path.read_text().splitlines()[0].count(",") == 6
        assert set(_rows(path)) <= {str(k) for k in range(-1, 7)}
        assert abs(len(_rows(path)) - _decoded(root / "videos" / f"{path.stem}.mp4")[0]) <= 1
        assert list((root / "cropped_aligned" / path.stem).glob("*.jpg"))
    assert (root / "test_videos" / "01.mp4").is_file()


def test_hume_layout(tmp_path: Path) -> None:
    root = write.write("hume-vidmimic2", tmp_path / "hume", workers=1, sizes=TINY["hume-vidmimic2"])
    with (root / "train_split.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["Filename", "Admiration", "Amusement", "Determination", "Empathic Pain", "Excitement", "Joy"]
    assert [row[0] for row in rows] == ["00001", "00002", "00003"]
    assert all(0.0 <= float(value) <= 1.0 for row in rows for value in row[1:])
    assert (root / "test_split.csv").read_text().split() == ["Filename", "00006"]
    for row in rows:
        frames, _ = _decoded(root / "raw" / f"{row[0]}.mp4")
        assert {int(p.stem) for p in (root / "face_images" / row[0]).glob("*.jpg")} <= set(range(1, frames + 1))
        with av.open(str(root / "audio" / f"{row[0]}.mp3")) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) > 0.5 * 16_000
    assert (root / "transcripts.csv").read_text().startswith("Filename,text\n00001,")


@pytest.mark.parametrize(("sound", "exists"), [("missing", False), ("broken", True)])
def test_clips_without_sound(tmp_path: Path, sound: str, exists: bool) -> None:
    from dataclasses import replace

    from abaw6.demo import mimicry
    from abaw6.demo.scene import SCENES

    hume_files.make_folders(tmp_path)
    clip = replace(mimicry.plan(1, TINY["hume-vidmimic2"], SCENES)[0], sound=sound, has_faces=False, seconds=0.8)
    hume_files.write_clip(tmp_path, 1, clip)
    assert not (tmp_path / "face_images" / clip.name).exists()
    assert (tmp_path / "audio" / f"{clip.name}.mp3").exists() == exists
    if exists:
        with pytest.raises(av.FFmpegError):
            av.open(str(tmp_path / "audio" / f"{clip.name}.mp3"))
    with av.open(str(tmp_path / "raw" / f"{clip.name}.mp4")) as container:
        assert not container.streams.audio


def test_pretrain_has_one_folder_per_person(tmp_path: Path) -> None:
    root = write.write("demo-pretrain", tmp_path / "pre", workers=1, sizes=TINY["demo-pretrain"])
    assert sorted(str(p.relative_to(root)) for p in root.rglob("*.jpg")) == [
        f"person_{k:04d}/{i:05d}.jpg" for k in (1, 2) for i in (1, 2, 3)
    ]


def test_bytes_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    one = write.write("aff-wild2", tmp_path / "one", workers=1, sizes=TINY["aff-wild2"])
    two = write.write("aff-wild2", tmp_path / "two", workers=2, sizes=TINY["aff-wild2"])
    assert _digest(one) == _digest(two)


def test_a_complete_world_is_left_alone_and_another_seed_replaces_it(tmp_path: Path) -> None:
    root, sizes = tmp_path / "pre", TINY["demo-pretrain"]
    write.write("demo-pretrain", root, workers=1, sizes=sizes)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    write.write("demo-pretrain", root, workers=1, sizes=sizes)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    first = _digest(root)
    write.write("demo-pretrain", root, workers=1, sizes=sizes, seed=5)
    assert _digest(root).keys() == first.keys()
    assert _digest(root) != first
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".pre")] == []


def test_the_mark_says_what_it_is(tmp_path: Path) -> None:
    root = write.write("demo-pretrain", tmp_path / "pre", workers=1, sizes=TINY["demo-pretrain"])
    mark = json.loads((root / "demo.json").read_text())
    assert mark["demo"] is True
    assert (mark["dataset"], mark["seed"], mark["generator"]) == ("demo-pretrain", 20240318, write.generator())
    assert "synthetic" in mark["statement"]


def test_an_unfinished_world_is_never_taken_for_a_complete_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "_put_in_place", killed)
    with pytest.raises(KeyboardInterrupt):
        write.write("demo-pretrain", tmp_path / "pre", workers=1, sizes=TINY["demo-pretrain"])
    assert not (tmp_path / "pre").exists()


def test_what_killed_writers_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".pre.writing-999999999").mkdir()
    write.write("demo-pretrain", tmp_path / "pre", workers=1, sizes=TINY["demo-pretrain"])
    assert not (tmp_path / ".pre.writing-999999999").exists()


def test_other_peoples_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        write.write("demo-pretrain", tmp_path, workers=1, sizes=TINY["demo-pretrain"])
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Did you mean 'aff-wild2'\?"):
        write.write("affwild2", tmp_path / "x")
