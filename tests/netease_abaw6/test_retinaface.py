from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.errors import MissingData, UserError
from harness.media import VideoFile
from harness.types import Box
from harness.weights import sha256_of
from netease_abaw6 import detectors
from netease_abaw6.retinaface import PRESETS, RetinaFace, anchors, faces_of, load, preset_of
from netease_abaw6.retinaface_net import RetinaFaceNet

SIDES = PRESETS["mnet025_1mb"].anchors
FACES = {"bbaf2n.mpg": 75, "sbia1a.mpg": 75, "id2_vcd_swwp2s.mpg": 75, "single_face.mp4": 72, "face_noface.mov": 72}


@pytest.fixture(scope="module")
def detector(test_data: Path) -> RetinaFace:
    torch.set_num_threads(1)
    return RetinaFace(test_data / "weights" / "retinaface_mnet025_1mb.pth", max_side=320)


def slow_faces(probability, offsets, points, height, width, sides, score, overlap):
    """Decoding and suppression, one anchor and one pair at a time."""
    found, at = [], 0
    for stride, pair in zip((8, 16, 32), sides, strict=True):
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                for side in pair:
                    cx, cy = (column + 0.5) * stride, (row + 0.5) * stride
                    dx, dy, dw, dh = offsets[at]
                    x, y = cx + 0.1 * dx * side, cy + 0.1 * dy * side
                    w, h = side * math.exp(0.2 * dw), side * math.exp(0.2 * dh)
                    pairs = zip(points[at][::2], points[at][1::2], strict=True)
                    marks = [(cx + 0.1 * px * side, cy + 0.1 * py * side) for px, py in pairs]
                    if probability[at] > score:
                        found.append((probability[at], (x - w / 2, y - h / 2, x + w / 2, y + h / 2), marks))
                    at += 1
    kept: list = []
    for one in sorted(found, key=lambda f: -f[0]):
        if all(slow_overlap(one[1], other[1]) <= overlap for other in kept):
            kept.append(one)
    return kept


def slow_overlap(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(w, 0) * max(h, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


@pytest.mark.parametrize("preset", ["mnet025_1mb", "mnet025"])  # the anchors of resnet50 are those of mnet025
@pytest.mark.parametrize(("height", "width"), [(42, 54), (64, 32), (9, 7)])  # also no multiples of a stride
@pytest.mark.parametrize("overlap", [0.4, 0.0, 1.0])
def test_decoding_and_suppression_equal_a_slow_loop(parity, preset: str, height: int, width: int, overlap: float):
    sides = PRESETS[preset].anchors
    generator = torch.Generator().manual_seed(height)
    anchors_N4 = anchors(height, width, sides)
    n = len(anchors_N4)
    probability_N = torch.rand(n, generator=generator)
    offsets_N4, points_N10 = torch.randn(n, 4, generator=generator), torch.randn(n, 10, generator=generator)
    fast = faces_of(probability_N, offsets_N4, points_N10, anchors_N4, score=0.5, overlap=overlap)
    lists = probability_N.tolist(), offsets_N4.tolist(), points_N10.tolist()
    slow = slow_faces(*lists, height, width, sides, 0.5, overlap)
    assert len(fast) == len(slow) > 0
    for face, (confidence, box, marks) in zip(fast, slow, strict=True):
        found = [face.score, face.box.x0, face.box.y0, face.box.x1, face.box.y1, *face.points_52.flatten()]
        difference = np.abs(np.array(found) - [confidence, *box, *np.array(marks).flatten()]).max()
        parity("RetinaFace decode and NMS", "a slow loop, float64; pixels and scores", difference, at_most=1e-4)


def test_there_are_as_many_anchors_as_the_network_has_outputs():
    net = RetinaFaceNet("mobilenet0.25", 0.0, 64).eval()
    with torch.inference_mode():
        probability_BN, offsets_BN4, points_BN10 = net(torch.zeros(2, 3, 50, 70))
    n = len(anchors(50, 70, SIDES))
    assert (probability_BN.shape, offsets_BN4.shape, points_BN10.shape) == ((2, n), (2, n, 4), (2, n, 10))


@pytest.mark.parametrize(("clip", "frames"), FACES.items())
def test_a_face_is_found_in_every_frame_that_has_one(test_data: Path, detector: RetinaFace, clip: str, frames: int):
    images = [frame.image for frame in VideoFile(next(test_data.rglob(clip)))]
    seen = [index for index, faces in enumerate(detector(images)) if faces]
    assert seen[:frames] == list(range(frames))
    assert all(index < frames + 2 for index in seen)


def test_faces_on_a_gpu_are_those_of_the_cpu(gpu: str, test_data: Path, detector: RetinaFace):
    images = [frame.image for frame in VideoFile(test_data / "grid" / "bbaf2n.mpg")][:16]
    there = RetinaFace(test_data / "weights" / "retinaface_mnet025_1mb.pth", max_side=320, device=gpu)
    for [one], [other] in zip(detector(images), there(images), strict=True):
        assert vars(other.box) == pytest.approx(vars(one.box), abs=0.1)
        assert other.score == pytest.approx(one.score, abs=1e-3)


def test_a_face_lies_where_it_is_and_scaling_down_does_not_move_it(test_data: Path, detector: RetinaFace):
    image = next(iter(VideoFile(test_data / "grid" / "bbaf2n.mpg"))).image
    whole = RetinaFace(test_data / "weights" / "retinaface_mnet025_1mb.pth", max_side=0)([image])[0][0]
    small = detector([image])[0][0]
    assert (whole.box.x0, whole.box.y0, whole.box.x1, whole.box.y1) == pytest.approx((103, 103, 206, 254), abs=3)
    assert (small.box.x0, small.box.y0, small.box.x1, small.box.y1) == pytest.approx((103, 103, 206, 254), abs=8)
    assert whole.points_52 is not None
    left_eye, right_eye, nose, left_mouth, right_mouth = whole.points_52
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_frames_of_several_sizes_keep_their_order(test_data: Path, detector: RetinaFace):
    image = next(iter(VideoFile(test_data / "grid" / "bbaf2n.mpg"))).image
    mixed = detector([image, np.zeros((64, 64, 3), np.uint8), np.ascontiguousarray(image[:, :300]), image])
    assert [len(faces) for faces in mixed] == [1, 0, 1, 1]
    assert mixed[0][0].box.x0 == pytest.approx(mixed[3][0].box.x0, abs=1e-3)


def test_the_preset_and_the_weights_are_on_record(detector: RetinaFace):
    assert detector.name == "retinaface:mnet025_1mb"
    assert detector.weights_sha256 == PRESETS["mnet025_1mb"].sha256


def test_a_preset_is_never_guessed_nor_contradicted():
    unknown_hash = "0" * 64
    with pytest.raises(UserError, match=r"not a known RetinaFace checkpoint.*mnet025_1mb, mnet025, resnet50"):
        preset_of(Path("mine.pth"), unknown_hash, None)
    assert preset_of(Path("mine.pth"), unknown_hash, "mnet025") == "mnet025"
    with pytest.raises(UserError, match="checkpoint of preset 'mnet025_1mb', not of 'mnet025'"):
        preset_of(Path("mine.pth"), PRESETS["mnet025_1mb"].sha256, "mnet025")
    with pytest.raises(UserError, match="Did you mean 'resnet50'"):
        preset_of(Path("mine.pth"), unknown_hash, "resnet5")


@pytest.mark.parametrize("name", ["mnet025", "resnet50"])
def test_a_saved_network_of_each_preset_loads_with_its_prefix(tmp_path: Path, name: str):
    preset = PRESETS[name]
    net = RetinaFaceNet(preset.backbone, preset.slope, preset.width)
    path = tmp_path / "net.pth"
    torch.save({f"module.{key}": tensor for key, tensor in net.state_dict().items()}, path)
    loaded = load(path, preset).state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in net.state_dict().items())
    other = PRESETS["mnet025" if name == "resnet50" else "resnet50"]
    with pytest.raises(UserError, match="does not fit this RetinaFace preset"):
        load(path, other)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path):
    path = tmp_path / "text.pth"
    path.write_text("hello")
    with pytest.raises(UserError, match=r"text\.pth is not a PyTorch checkpoint of plain tensors"):
        load(path, PRESETS["mnet025"])


WEIGHTS = [("retinaface", "retinaface_mnet025_1mb.pth"), ("yunet", "yunet_n_640_640.onnx")]


@pytest.mark.parametrize(("name", "file"), WEIGHTS)
def test_missing_weights_name_file_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.delenv(f"HARNESS_{name.upper()}_WEIGHTS", raising=False)
    with pytest.raises(MissingData, match=rf"No weights for the detector '{name}'.*{file} from .* on GitHub"):
        detectors.DETECTORS[name](None)
    with pytest.raises(MissingData, match=r"nowhere\.pth is not a file"):
        detectors.DETECTORS[name](str(tmp_path / "nowhere.pth"))


def test_weights_are_found_by_environment_and_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test_data: Path
):
    weights = test_data / "weights" / "retinaface_mnet025_1mb.pth"
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setenv("HARNESS_RETINAFACE_WEIGHTS", str(weights))
    assert detectors.retinaface().preset == "mnet025_1mb"
    monkeypatch.delenv("HARNESS_RETINAFACE_WEIGHTS")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / weights.name).symlink_to(weights)
    assert detectors.retinaface().preset == "mnet025_1mb"


def test_weights_by_url_are_taken_once_their_hash_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    torch.save(RetinaFaceNet("mobilenet0.25", 0.1, 64).state_dict(), tmp_path / "net.pth")
    sha256 = sha256_of(tmp_path / "net.pth")
    kept = tmp_path / "weights" / sha256 / "net.pth"
    kept.parent.mkdir(parents=True)
    (tmp_path / "net.pth").rename(kept)
    detector = detectors.retinaface(f"https://host/net.pth#sha256={sha256}", preset="mnet025")
    assert (detector.name, detector.weights_sha256) == ("retinaface:mnet025", sha256)
    with pytest.raises(UserError, match="Weights by URL need their SHA-256"):
        detectors.retinaface("https://host/net.pth")


@pytest.mark.parametrize("name", ["retinaface", "yunet"])
def test_hub_weights_that_cannot_be_had_name_the_public_source(name: str):
    expected = rf"No weights for the detector '{name}': n\.pth of the hub's owner/name is neither.* from .* on GitHub"
    with pytest.raises(MissingData, match=expected):
        detectors.DETECTORS[name]("hf:owner/name/n.pth")


def test_full_frame_is_the_frame():
    face = detectors.full_frame()([np.zeros((20, 30, 3), np.uint8)])[0][0]
    assert face.box == Box(0, 0, 30, 20)
