from __future__ import annotations

import os
from pathlib import Path

import pluggy
import pytest

from harness import hookspecs
from harness.datasets import Root, cache_home, find, locate, parse_options
from harness.errors import MissingData, UserError
from harness.hookspecs import hookimpl


class Stand:
    """A plugin with a made-up stand-in for one data set."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @hookimpl
    def locate_dataset(self, name: str, demo: bool) -> Path | None:
        return self.root if demo and name == "aff-wild2" else None


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pluggy.PluginManager:
    """Nothing is configured: no variable, no config file here or at home."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    made = pluggy.PluginManager("harness")
    made.add_hookspecs(hookspecs)
    made.register(Stand(tmp_path / "made-up"))
    return made


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_cache_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert cache_home() == tmp_path
    monkeypatch.delenv("HARNESS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache" / "abaw-harness"
    monkeypatch.setenv("HARNESS_CACHE", "/etc/passwd")
    with pytest.raises(UserError, match=r"^HARNESS_CACHE: expected a folder, came the file /etc/passwd$"):
        cache_home()


def test_nothing_configured_means_the_demo_world(manager: pluggy.PluginManager, tmp_path: Path) -> None:
    assert locate("aff-wild2", {}, manager) == Root(tmp_path / "made-up", "demo", True)
    with pytest.raises(MissingData, match="No plugin has a made-up stand-in for 'c-expr'"):
        locate("c-expr", {}, manager)


def test_to_find_a_data_set_writes_nothing(manager: pluggy.PluginManager, tmp_path: Path) -> None:
    assert find("aff-wild2", {}) is None
    assert find("aff-wild2", {"demo": ""}) is None
    assert find("aff-wild2", {"aff-wild2": str(tmp_path)}) == Root(tmp_path, "aff-wild2", False)
    with pytest.raises(MissingData, match="looked at: no folder is named for it"):
        find("aff-wild2", {"c-expr": str(tmp_path)})


def test_the_option_comes_first(manager: pluggy.PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(folder(tmp_path / "sets" / "Aff-Wild2").parent))
    named = folder(tmp_path / "elsewhere")
    assert locate("aff-wild2", {"aff-wild2": str(named), "demo": ""}, manager) == Root(named, "aff-wild2", False)
    assert locate("aff-wild2", {"demo": ""}, manager).name == "demo"


def test_a_named_demo_folder_says_demo(manager: pluggy.PluginManager, tmp_path: Path) -> None:
    (folder(tmp_path / "copy") / "demo.json").write_text("{}")
    assert locate("c-expr", {"c-expr": str(tmp_path / "copy")}, manager) == Root(tmp_path / "copy", "demo", True)


@pytest.mark.parametrize("name", ["Aff-Wild2", "aff_wild2", "AffWild2", "Aff-Wild2 (6th)"])
def test_a_folder_of_data_sets(
    name: str, manager: pluggy.PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = folder(tmp_path / "sets" / name)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "sets"))
    assert locate("aff-wild2", {}, manager).path == inside
    (tmp_path / "sets" / "affwild2-old").mkdir()
    if name != "Aff-Wild2 (6th)":
        assert locate("aff-wild2", {}, manager).path == inside


def test_pairs_in_the_environment(
    manager: pluggy.PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = folder(tmp_path / "one"), folder(tmp_path / "two")
    monkeypatch.setenv("HARNESS_DATA", f"aff-wild2={one}{os.pathsep}Hume_Vidmimic2={two}")
    assert locate("aff-wild2", {}, manager).path == one
    assert locate("hume-vidmimic2", {}, manager).path == two


def test_config_files_here_then_at_home(manager: pluggy.PluginManager, tmp_path: Path) -> None:
    here, home = folder(tmp_path / "here"), folder(tmp_path / "at-home")
    config = folder(tmp_path / "home" / ".config" / "abaw-harness") / "config.toml"
    config.write_text(f'[data]\naff-wild2 = "{home}"\n')
    assert locate("aff-wild2", {}, manager).path == home
    Path("harness.toml").write_text(f'[data]\nAff_Wild2 = "{here}"\n')
    assert locate("aff-wild2", {}, manager).path == here


@pytest.mark.parametrize(
    "content",
    [
        "[data",
        'data = "x"',
        "[data]\naff-wild2 = 3",
        'aff-wild2 = "/data/aff"',
        '[Data]\naff-wild2 = "/data/aff"',
        'c-expr = "/data/c"\n[data]\naff-wild2 = "/data/aff"',
    ],
)
def test_a_wrong_config_file_is_one_line(content: str, manager: pluggy.PluginManager) -> None:
    Path("harness.toml").write_text(content)
    with pytest.raises(UserError, match=r"^harness\.toml: expected "):
        locate("aff-wild2", {}, manager)


def test_a_config_file_without_a_header_says_what_it_holds(manager: pluggy.PluginManager) -> None:
    Path("harness.toml").write_text('aff-wild2 = "/data/aff"\n[Data]\nc-expr = "/data/c"\n')
    with pytest.raises(UserError) as error:
        find("aff-wild2", {})
    expected = "harness.toml: expected one table [data] of folders by data-set name, came also 'aff-wild2', 'Data'"
    assert str(error.value) == expected


def test_an_empty_config_file_configures_nothing(manager: pluggy.PluginManager) -> None:
    Path("harness.toml").write_text("# none yet\n")
    assert find("aff-wild2", {}) is None


def test_a_config_file_that_is_no_text_is_one_line(manager: pluggy.PluginManager) -> None:
    Path("harness.toml").write_bytes('[data]\naff-wild2 = "/data/Müller"\n'.encode("latin-1"))
    with pytest.raises(UserError, match=r"^harness\.toml: expected UTF-8 text, came "):
        find("aff-wild2", {})


def test_configured_but_absent_names_every_folder(
    manager: pluggy.PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "sets"))
    Path("harness.toml").write_text('[data]\naff-wild2 = "/nowhere/aff"\n')
    with pytest.raises(MissingData) as error:
        locate("aff-wild2", {}, manager)
    assert error.value.exit_code == 3
    for words in (
        str(tmp_path / "sets" / "aff-wild2"),
        "/nowhere/aff",
        "EULA",
        "HARNESS_DATA",
        "harness.toml",
        "--data",
    ):
        assert words in str(error.value)
    with pytest.raises(MissingData, match="looked at: /gone"):
        locate("aff-wild2", {"aff-wild2": "/gone"}, manager)
    with pytest.raises(MissingData, match="EULA"):  # another data set is configured, so no demo for this one
        locate("c-expr", {"aff-wild2": "/gone"}, manager)


def test_options_as_typed() -> None:
    known = ["aff-wild2", "c-expr"]
    assert parse_options(["aff-wild2=/a=b", "demo"], known) == {"aff-wild2": "/a=b", "demo": ""}
    assert parse_options(["affwild2=/a", "C_EXPR=/c"], known) == {"aff-wild2": "/a", "c-expr": "/c"}
    with pytest.raises(UserError, match="Did you mean 'aff-wild2'"):
        parse_options(["affwild=/a"], known)
    for wrong in ("aff-wild2", "aff-wild2="):
        with pytest.raises(UserError, match=f"expected NAME=PATH or 'demo', got '{wrong}'"):
            parse_options([wrong], known)


def test_the_demo_world_takes_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError) as error:
        parse_options(["demo=/my/folder"])
    assert str(error.value) == (
        "--data: 'demo' takes no path, came 'demo=/my/folder'; a folder of one data set is NAME=PATH, "
        "say aff-wild2=/my/folder"
    )
    monkeypatch.setenv("HARNESS_DATA", "demo=/my/folder")
    with pytest.raises(UserError, match=r"^HARNESS_DATA: 'demo' takes no path"):
        find("aff-wild2", {})


@pytest.mark.parametrize("typed", ["affwild2", "Aff-Wild2", "AFF_WILD2"])
def test_an_option_ignores_case_and_separators(typed: str, tmp_path: Path) -> None:
    assert find("aff-wild2", parse_options([f"{typed}={tmp_path}"])) == Root(tmp_path, "aff-wild2", False)
    last = parse_options(["aff-wild2=/gone", f"{typed}={tmp_path}"])
    assert find("aff-wild2", last) == Root(tmp_path, "aff-wild2", False)


def test_an_option_near_a_name_is_never_passed_over(
    manager: pluggy.PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(folder(tmp_path / "sets" / "Aff-Wild2").parent))
    with pytest.raises(UserError) as error:
        find("aff-wild2", {"afwild": "/a"})
    assert str(error.value).startswith("--data afwild=/a: did you mean 'aff-wild2'? ")
    both = {"afwild": "/a", "aff-wild2": str(tmp_path)}
    assert find("aff-wild2", both) == Root(tmp_path, "aff-wild2", False)


def test_options_of_other_data_sets_are_told(manager: pluggy.PluginManager) -> None:
    with pytest.raises(MissingData, match=r"set by --data hume-vidmimic2=/h, wild=/w\); looked at: no folder"):
        find("aff-wild2", {"hume-vidmimic2": "/h", "wild": "/w"})
