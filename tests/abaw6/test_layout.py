from __future__ import annotations

from pathlib import Path

import pytest

from abaw6.layout import edition, files_by_stem, find_labels, find_media, image_folders


@pytest.mark.parametrize("annotations", ["6th_ABAW_Annotations", "6th ABAW Annotations", "Third ABAW Annotations", "."])
@pytest.mark.parametrize(
    ("track", "folder"),
    [
        ("va", "VA_Estimation_Challenge"),
        ("va", "VA_Set"),
        ("expr", "EXPR_Recognition_Challenge"),
        ("expr", "EXPR_Classification_Challenge"),
        ("expr", "expr set"),
        ("au", "AU_Detection_Challenge"),
        ("ce", "CE_Recognition_Challenge"),
    ],
)
@pytest.mark.parametrize("train", ["Train_Set", "Training_Set", "train set"])
def test_label_folders_in_every_spelling(tmp_path: Path, annotations: str, track: str, folder: str, train: str) -> None:
    for name in (folder, "MTL_Challenge", "VALENCE"):
        (tmp_path / annotations / name / train).mkdir(parents=True)
        (tmp_path / annotations / name / "Validation_Set").mkdir()
    found = find_labels(tmp_path, track).folders
    assert {side: path.relative_to(tmp_path).parts[-2:] for side, path in found.items()} == {
        "train": (folder, train),
        "valid": (folder, "Validation_Set"),
    }


def test_the_newest_edition_is_taken(tmp_path: Path) -> None:
    for name in ("Third ABAW Annotations", "6th_ABAW_Annotations", "5th_ABAW_Annotations"):
        (tmp_path / name / "AU_Detection_Challenge" / "Train_Set").mkdir(parents=True)
    found = find_labels(tmp_path, "au").folders["train"]
    assert found.relative_to(tmp_path).parts[0] == "6th_ABAW_Annotations"
    assert [edition(tmp_path / name) for name in ("Third ABAW", "10th", "plain")] == [3, 10, 0]


def test_test_lists_by_track(tmp_path: Path) -> None:
    folder = tmp_path / "names_of_videos_in_each_test_set"
    folder.mkdir()
    for name in ("VA_test_set_release.txt", "Expression_Recognition_Challenge_test_set_release.txt", "notes.txt"):
        (folder / name).touch()
    assert find_labels(tmp_path, "va").test_list == folder / "VA_test_set_release.txt"
    assert find_labels(tmp_path, "expr").test_list == folder / "Expression_Recognition_Challenge_test_set_release.txt"
    assert find_labels(tmp_path, "au").test_list is None


@pytest.mark.parametrize("container", ["cropped_aligned", "Cropped_Aligned/cropped_aligned_new_50_vids"])
def test_image_folders_flat_or_in_sub_folders_without_stray_files(tmp_path: Path, container: str) -> None:
    (tmp_path / container / "video1_left").mkdir(parents=True)
    (tmp_path / container / ".DS_Store").touch()
    (tmp_path / container / "Thumbs.db").touch()
    found = image_folders(find_media(tmp_path).crops)
    assert found == {"video1_left": str(tmp_path / container / "video1_left")}


def test_both_sub_folders_of_images_are_one_data_set(tmp_path: Path) -> None:
    for name in ("cropped_aligned/cropped_aligned/a", "cropped_aligned/cropped_aligned_new_50_vids/b"):
        (tmp_path / name).mkdir(parents=True)
    assert list(image_folders(find_media(tmp_path).crops)) == ["a", "b"]


def test_files_are_found_by_exact_name_and_mp4_wins(tmp_path: Path) -> None:
    for name in ("video1.avi", "video10.mp4", "video1.mp4", "video1.txt", "._video1.mp4"):
        (tmp_path / name).touch()
    assert files_by_stem((tmp_path,), (".mp4", ".avi")) == {
        "video1": str(tmp_path / "video1.mp4"),
        "video10": str(tmp_path / "video10.mp4"),
    }


def test_raw_videos_and_sound_in_any_folder_below_the_root(tmp_path: Path) -> None:
    for name in ("batch1/a.mp4", "new_vids/b.AVI", "extras/audio/a.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    media = find_media(tmp_path)
    assert [path.name for path in media.raw] == ["batch1", "new_vids"]
    assert [path.name for path in media.sound] == ["audio"]
