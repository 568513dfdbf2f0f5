"""Finding plugins and asking them what they provide.

Every plugin, bundled ones too, is an entry point of the group `harness`. `HARNESS_PLUGINS=a,b` loads only these.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import pluggy

from harness import hookspecs
from harness.errors import UserError, unknown

GROUP = "harness"
NOUNS = (
    "tasks", "readers", "detectors", "encoders", "corpora", "fusions", "partitions", "votes", "postprocessors",
    "pipelines", "formats",
)  # fmt: skip


@dataclass(frozen=True)
class Provided:
    """A name, the plugin that provides it, and the thing itself, taken from the plugin's mapping when first used."""

    name: str
    plugin: str
    mapping: Mapping[str, Any] = field(repr=False, compare=False)

    @cached_property
    def thing(self) -> Any:
        """What is provided; a lazy mapping imports it now."""
        return self.mapping[self.name]


@dataclass
class Plugins:
    """The loaded plugins. `failed` holds those whose import raised, with the reason."""

    manager: pluggy.PluginManager
    versions: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    _asked: dict[str, dict[str, Provided]] = field(default_factory=dict, init=False, repr=False)

    @property
    def hook(self) -> Any:
        return self.manager.hook

    def provided(self, noun: str) -> dict[str, Provided]:
        """Everything provided for one of `NOUNS`, asked once; two plugins with one name are an error naming both."""
        if noun not in self._asked:
            self._asked[noun] = self._ask(noun)
        return self._asked[noun]

    def _ask(self, noun: str) -> dict[str, Provided]:
        found: dict[str, Provided] = {}
        for impl in getattr(self.hook, f"provide_{noun}").get_hookimpls():
            mapping = impl.function()
            for name in mapping:
                if name in found:
                    other = found[name].plugin
                    what = noun.removesuffix("s")
                    raise UserError(f"{what} {name!r} is provided twice: by {other!r} and by {impl.plugin_name!r}")
                found[name] = Provided(name, impl.plugin_name, mapping)
        return found

    def get(self, noun: str, name: str) -> tuple[Provided, str | None]:
        """The provided thing called `name`, or the family `name` begins with and its argument (`timm:resnet18`)."""
        found = self.provided(noun)
        if name in found:
            return found[name], None
        family, colon, argument = name.partition(":")
        if colon and family in found:
            return found[family], argument
        for plugin, reason in self.failed.items():
            if family.startswith(plugin.split("_")[0]):
                raise UserError(f"No {noun[:-1]} is called {name!r}; plugin {plugin!r} failed to import: {reason}")
        raise unknown(noun[:-1], name, found)

    def pipeline(self, plugin: str) -> Provided:
        """The pipeline `PLUGIN[:PIPELINE]` means: the named one, or the one called like its plugin, or its only one."""
        name, _, wanted = plugin.partition(":")
        if name in self.failed:
            raise UserError(f"Plugin {name!r} failed to import: {self.failed[name]}")
        mine = {p.name: p for p in self.provided("pipelines").values() if p.plugin == name}
        if not mine:
            with_pipelines = {p.plugin for p in self.provided("pipelines").values()}
            raise unknown("plugin with pipelines", name, with_pipelines)
        if wanted:
            if wanted not in mine:
                raise unknown(f"pipeline of {name!r}", wanted, mine)
            return mine[wanted]
        if name in mine:
            return mine[name]
        if len(mine) == 1:
            return next(iter(mine.values()))
        raise UserError(
            f"Plugin {name!r} has several pipelines: say --plugin {name}:NAME with one of {', '.join(sorted(mine))}"
        )


def load(extra: Mapping[str, object] | None = None) -> Plugins:
    """Load every entry point (or those in HARNESS_PLUGINS), plus `extra` modules by name (tests).

    Raises UserError for a misspelt hook or a name in HARNESS_PLUGINS that nobody installed. A plugin that fails to
    import is kept in `failed`: an error only for who asks for it.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager)
    for point in _wanted(list(entry_points(group=GROUP))):
        try:
            module = point.load()
        except Exception as error:  # a broken plugin of another's must not stop `harness`
            plugins.failed[point.name] = f"{type(error).__name__}: {error}"
            continue
        manager.register(module, name=point.name)
        plugins.versions[point.name] = point.dist.version if point.dist else "0"
    for name, module in (extra or {}).items():
        manager.register(module, name=name)
        plugins.versions[name] = "0"
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise UserError(f"Plugin {error.plugin!r} implements a hook that does not exist: {error}") from None
    return plugins


def _wanted(points: list[EntryPoint]) -> list[EntryPoint]:
    points.sort(key=lambda point: (point.name != "builtin", point.name))
    only = [name.strip() for name in os.environ.get("HARNESS_PLUGINS", "").split(",") if name.strip()]
    if not only:
        return points
    installed = {point.name for point in points}
    for name in only:
        if name not in installed:
            raise unknown("installed plugin (HARNESS_PLUGINS)", name, installed)
    return [point for point in points if point.name in {*only, "builtin"}]


def check_options(
    what: str, factory: Callable[..., Any], options: Mapping[str, Any], given: tuple[str, ...] = ()
) -> None:
    """UserError where `options` are not keyword options of `factory`; `given` are those the core passes itself."""
    parameters = inspect.signature(factory).parameters
    names = [n for n, p in parameters.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    known = [n for n in names if n not in (*given, "resources")]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in options:
        if name not in known and not takes_any:
            raise unknown(f"option of {what}", name, known)
    required = [
        n
        for n in known
        if parameters[n].default is inspect.Parameter.empty and parameters[n].kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for name in required:
        if name not in options:
            raise UserError(f"{what} needs the option {name!r}; its options are {', '.join(known)}")


def option_types(factory: Callable[..., Any]) -> dict[str, Any]:
    """The type of each parameter of `factory` by name; without those that say none, or one known to checkers alone."""
    module = inspect.getmodule(factory.func if isinstance(factory, partial) else factory)
    names = vars(module) if module else {}
    types: dict[str, Any] = {}
    for name, parameter in inspect.signature(factory).parameters.items():
        if parameter.annotation is inspect.Parameter.empty or parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        try:
            types |= get_type_hints(SimpleNamespace(__annotations__={name: parameter.annotation}), names)
        except (NameError, AttributeError):  # imported under TYPE_CHECKING
            continue
    return types


def takes(factory: Callable[..., Any], name: str) -> bool:
    """Whether `factory` has a parameter called `name`."""
    return name in inspect.signature(factory).parameters


@cache
def source_hash(factory: Callable[..., Any]) -> str:
    """SHA-256 over the file that defines `factory` and those of the same package it imports, found by reading them."""
    module = inspect.getmodule(factory.func if isinstance(factory, partial) else factory)
    if module is None or not getattr(module, "__file__", None):
        return ""
    return files_hash(tuple(sorted(_closure(module.__name__))))


@cache
def files_hash(modules: tuple[str, ...]) -> str:
    """SHA-256 over the source of these modules."""
    digest = hashlib.sha256()
    for name in modules:
        origin = _origin(name)
        if origin:
            digest.update(name.encode() + b"\0" + origin.read_bytes())
    return digest.hexdigest()


def _origin(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _closure(start: str) -> set[str]:
    package = start.partition(".")[0]
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        origin = _origin(name) if name not in seen else None
        if origin is None:
            continue
        seen.add(name)
        folder = name if origin.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(origin.read_text())):
            if isinstance(node, ast.Import):
                todo += [alias.name for alias in node.names if alias.name.partition(".")[0] == package]
            elif isinstance(node, ast.ImportFrom):
                source = _absolute(node, folder)
                if source.partition(".")[0] != package:
                    continue
                todo += [source]
                if package != "harness":
                    todo += [f"{source}.{a.name}" for a in node.names if _is_module(source, a.name)]
    return seen


def _absolute(node: ast.ImportFrom, folder: str) -> str:
    """The module a `from ... import` names, a relative one counted from the package it stands in."""
    module = node.module or ""
    return importlib.util.resolve_name("." * node.level + module, folder) if node.level and folder else module


def _is_module(package: str, name: str) -> bool:
    """Whether `package` is one that holds a module `name`. Asking a plain module would import it, with all it needs."""
    try:
        spec = importlib.util.find_spec(package)
        inside = spec is not None and spec.submodule_search_locations is not None
        return inside and importlib.util.find_spec(f"{package}.{name}") is not None
    except ModuleNotFoundError:
        return False
