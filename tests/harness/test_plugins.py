from __future__ import annotations

import functools
import importlib
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness import plugins
from harness.errors import UserError
from harness.hookspecs import hookimpl
from harness.plugins import check_options, files_hash, load, option_types, source_hash, takes


def module(**things: Any) -> ModuleType:
    """A plugin that provides these: `module(encoders={...})`."""
    made = ModuleType("made")
    for noun, found in things.items():
        setattr(made, f"provide_{noun}", hookimpl(lambda found=found: found))
    return made


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The entry points of the environment: none, until a test adds one."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(plugins, "entry_points", lambda group: list(points))
    monkeypatch.delenv("HARNESS_PLUGINS", raising=False)
    return points


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`package(name, files)` writes an importable package; `package(name, files)` again rewrites it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, files: dict[str, str]) -> None:
        for path, text in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        importlib.invalidate_caches()
        for cached in (source_hash, files_hash):
            cached.cache_clear()

    yield write
    for name in [m for m in sys.modules if m.partition(".")[0].startswith("written_")]:
        del sys.modules[name]
    source_hash.cache_clear()
    files_hash.cache_clear()


def test_an_entry_point_is_loaded_with_its_version(installed, package):
    source = "from harness.hookspecs import hookimpl\n@hookimpl\ndef provide_votes():\n    return {'v': 1}\n"
    package("written_one", {"__init__.py": source})
    installed.append(EntryPoint("one", "written_one", "harness"))
    loaded = load()
    assert loaded.provided("votes")["v"].plugin == "one"
    assert loaded.versions == {"one": "0"}


def test_the_bundled_plugins_come_through_the_same_door(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    found = {point.name for point in importlib.metadata.entry_points(group="harness")}
    assert {"builtin", "abaw6", "netease_abaw6", "abaw_baselines", "timm_encoders", "hf_encoders"} <= found


def test_a_plugin_that_fails_to_import_is_an_error_only_for_who_asks(installed, package):
    package("written_broken", {"__init__.py": "raise RuntimeError('no such luck')"})
    installed.append(EntryPoint("broken", "written_broken", "harness"))
    loaded = load({"good": module(votes={"v": 1})})
    assert loaded.failed == {"broken": "RuntimeError: no such luck"}
    assert loaded.get("votes", "v")[0].thing == 1
    with pytest.raises(UserError, match="Plugin 'broken' failed to import: RuntimeError: no such luck"):
        loaded.pipeline("broken")
    with pytest.raises(UserError, match="plugin 'broken' failed to import: RuntimeError: no such luck"):
        loaded.get("encoders", "broken:x")


def test_only_the_plugins_named_are_loaded(installed, package, monkeypatch: pytest.MonkeyPatch):
    for name in ("written_a", "written_b", "written_c"):
        package(name, {"__init__.py": ""})
        installed.append(EntryPoint(name.removeprefix("written_"), name, "harness"))
    installed.append(EntryPoint("builtin", "harness.builtin", "harness"))
    monkeypatch.setenv("HARNESS_PLUGINS", "c, a")
    assert list(load().versions) == ["builtin", "a", "c"]
    monkeypatch.setenv("HARNESS_PLUGINS", " ,")
    assert list(load().versions) == ["builtin", "a", "b", "c"]


def test_a_plugin_named_that_nobody_installed(installed, monkeypatch: pytest.MonkeyPatch):
    installed.append(EntryPoint("builtin", "harness.builtin", "harness"))
    monkeypatch.setenv("HARNESS_PLUGINS", "buildin")
    with pytest.raises(UserError, match=r"No installed plugin .* is called 'buildin'. Did you mean 'builtin'\?"):
        load()


def test_a_misspelt_hook_names_the_plugin():
    bad = ModuleType("bad")
    bad.provide_encoder = hookimpl(lambda: {})  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"bad.*provide_encoder"):
        load({"bad": bad})


def test_two_plugins_with_one_name():
    both = load({"mine": module(encoders={"eye": 1}), "yours": module(encoders={"eye": 2})})
    with pytest.raises(UserError, match=r"encoder 'eye' is provided twice: by '(mine|yours)' and by '(mine|yours)'"):
        both.get("encoders", "eye")


def test_one_name_may_stand_for_two_nouns():
    loaded = load({"mine": module(encoders={"eye": 1}, fusions={"eye": 2})})
    assert (loaded.get("encoders", "eye")[0].thing, loaded.get("fusions", "eye")[0].thing) == (1, 2)


def test_a_noun_is_asked_once():
    asked: list[str] = []
    mine = ModuleType("mine")
    mine.provide_votes = hookimpl(lambda: asked.append("votes") or {"v": 1})  # type: ignore[attr-defined]
    loaded = load({"mine": mine})
    loaded.get("votes", "v")
    loaded.provided("votes")
    assert asked == ["votes"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("timm", (1, None)), ("timm:resnet18", (1, "resnet18")), ("timm:a:b", (1, "a:b")), ("exact:name", (2, None))],
)
def test_families(name: str, expected: tuple[int, str | None]):
    loaded = load({"mine": module(encoders={"timm": 1, "exact:name": 2})})
    provided, argument = loaded.get("encoders", name)
    assert (provided.thing, argument) == expected


def test_an_unknown_name_lists_near_ones():
    loaded = load({"mine": module(encoders={"mae_vit_b": 1, "vggish": 2})})
    with pytest.raises(UserError) as raised:
        loaded.get("encoders", "mae_vit_l")
    assert str(raised.value) == "No encoder is called 'mae_vit_l'. Did you mean 'mae_vit_b'? Known: mae_vit_b, vggish"


def pipelines(*names: str) -> ModuleType:
    return module(pipelines={name: SimpleNamespace(name=name) for name in names})


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("one", "single"), ("many", "many"), ("many:other", "other"), ("one:single", "single")],
)
def test_the_pipeline_a_plugin_means(typed: str, expected: str):
    loaded = load({"one": pipelines("single"), "many": pipelines("many", "other")})
    assert loaded.pipeline(typed).name == expected


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("on", "No plugin with pipelines is called 'on'. Did you mean 'one'?"),
        ("none", "No plugin with pipelines is called 'none'."),
        ("several", "Plugin 'several' has several pipelines: say --plugin several:NAME with one of a, b"),
        ("several:c", "No pipeline of 'several' is called 'c'."),
        ("one:a", "No pipeline of 'one' is called 'a'."),
    ],
)
def test_a_pipeline_that_is_not_there(typed: str, message: str):
    loaded = load({"one": pipelines("single"), "several": pipelines("b", "a"), "none": module(votes={})})
    with pytest.raises(UserError) as raised:
        loaded.pipeline(typed)
    assert str(raised.value).startswith(message)


# -- options of factories -------------------------------------------------------------------------


def factory(widths, outputs, *, width: int = 3, depth: int = 4, resources=None):
    return widths, outputs, width, depth, resources


def test_options_are_those_of_the_factory():
    check_options("fusion 'f'", factory, {"width": 1, "depth": 2}, ("widths", "outputs"))
    for option in ("widht", "widths", "resources"):
        with pytest.raises(UserError, match=f"No option of fusion 'f' is called '{option}'.*Known: depth, width"):
            check_options("fusion 'f'", factory, {option: 1}, ("widths", "outputs"))


def test_an_option_without_default_is_needed():
    def picky(*, size: int, colour: str = "red"):
        return size, colour

    with pytest.raises(UserError, match="encoder 'e' needs the option 'size'; its options are size, colour"):
        check_options("encoder 'e'", picky, {"colour": "blue"})
    check_options("encoder 'e'", picky, {"size": 3})


def test_a_factory_with_open_options_takes_any():
    check_options("encoder 'e'", lambda **options: options, {"anything": 1})


def test_takes():
    assert takes(factory, "resources")
    assert not takes(factory, "device")


# -- hashes of sources ----------------------------------------------------------------------------

SOURCES = {
    "__init__.py": "",
    "plugin.py": "from {p} import absolute\nfrom {p}.named import thing\nimport {p}.plain\nfrom .near import x\n"
    "from . import beside\nimport json\ndef factory():\n    return absolute, thing, x, beside, json, {p}.plain\n",
    "absolute.py": "", "named.py": "from {p} import deeper\nthing = 1\n", "plain.py": "", "near.py": "x = 1\n",
    "beside.py": "", "deeper.py": "", "stranger.py": "",
}  # fmt: skip


LAZY = "def factory():\n    from {p}.heavy import thing\n\n    return thing\n"


def hash_now(name: str) -> str:
    for imported in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[imported]
    return source_hash(importlib.import_module(f"{name}.plugin").factory)


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("plugin.py", True),
        ("absolute.py", True),
        ("named.py", True),
        ("plain.py", True),
        ("deeper.py", True),
        ("near.py", True),
        ("beside.py", True),
        ("stranger.py", False),
    ],
)
def test_an_edited_file_changes_the_hash_of_who_imports_it(package, file: str, counts: bool):
    name = f"written_{file.removesuffix('.py')}_"
    sources = {path: text.format(p=name) for path, text in SOURCES.items()}
    package(name, sources)
    before = hash_now(name)
    assert hash_now(name) == before
    package(name, {file: sources[file] + "\n# edited\n"})
    assert (hash_now(name) != before) == counts


def test_what_a_plugin_imports_is_read_and_not_run(package):
    heavy = "raise RuntimeError('run')\nthing = 1\n"
    package("lazy_", {"__init__.py": "", "plugin.py": LAZY.format(p="lazy_"), "heavy.py": heavy})
    before = hash_now("lazy_")
    package("lazy_", {"heavy.py": heavy + "# edited\n"})
    assert hash_now("lazy_") != before


def test_a_partial_has_the_hash_of_its_function():
    from harness import builtin

    assert source_hash(functools.partial(builtin.random_k, k=2)) == source_hash(builtin.random_k)
    assert len(source_hash(builtin.random_k)) == 64


def test_files_hash_depends_on_which_modules():
    assert files_hash(("harness.rng",)) != files_hash(("harness.rng", "harness.kinds"))
    assert files_hash(("harness.rng",)) == files_hash(("harness.rng",))


def test_the_types_of_options_are_those_that_can_be_told():
    def factory(model: str, *, k: int = 3, name: str | None = None, lent: Unheard = None, bare=1, **more: int): ...  # type: ignore[name-defined]  # noqa: F821

    assert option_types(factory) == {"model": str, "k": int, "name": str | None}
    assert option_types(functools.partial(factory, k=4)) == option_types(factory)
