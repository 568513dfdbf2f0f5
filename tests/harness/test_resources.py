from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import MissingData
from harness.progress import silent
from harness.resources import Resources, folder_hash
from harness.store import Store
from harness.types import Component


@pytest.fixture(autouse=True)
def asked_anew():
    folder_hash.cache_clear()
    yield
    folder_hash.cache_clear()


def resources(tmp_path: Path) -> Resources:
    def locate(name: str) -> Path:
        if not (tmp_path / name).is_dir():
            raise MissingData(f"no {name}")
        return tmp_path / name

    return Resources(Store(tmp_path / "store"), "cpu", 0, locate, silent)


def test_data_named_in_options_are_part_of_what_a_component_is(tmp_path: Path):
    (tmp_path / "crowd").mkdir()
    (tmp_path / "crowd" / "a.jpg").write_text("face")
    lent = resources(tmp_path)
    component = Component("mae", {"data": "data:crowd", "width": 3, "weights": "crowd"})
    found = lent.identity(component)
    assert list(found) == ["crowd"]
    (tmp_path / "crowd" / "b.jpg").write_text("face")
    folder_hash.cache_clear()
    assert lent.identity(component) != found


def test_no_data_no_identity(tmp_path: Path):
    assert resources(tmp_path).identity(Component("mae", {"width": 3, "weights": None})) == {}


def test_data_that_are_not_there(tmp_path: Path):
    with pytest.raises(MissingData, match="no crowd"):
        resources(tmp_path).identity(Component("mae", {"data": "data:crowd"}))


def test_a_demo_world_is_what_it_says_it_is(tmp_path: Path):
    (tmp_path / "demo.json").write_text("{}")
    before = folder_hash(tmp_path)
    (tmp_path / "a.jpg").write_text("face")
    folder_hash.cache_clear()
    assert folder_hash(tmp_path) == before
    (tmp_path / "demo.json").write_text('{"seed": 1}')
    folder_hash.cache_clear()
    assert folder_hash(tmp_path) != before


def test_where_a_folder_lies_does_not_matter(tmp_path: Path):
    for name in ("here", "there"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a.jpg").write_text("face")
    assert folder_hash(tmp_path / "here") == folder_hash(tmp_path / "there")
