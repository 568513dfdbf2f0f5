"""Fields of a Pipeline by dotted name: `encoders.image.width`, `fit.lr`, `vote`.

The rows of `tasks` and `profiles`, `--set FIELD=VALUE` and the component flags all change a pipeline through
`changed`, so there is one rule. A component's field is its name; below it are the options of its factory.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from harness.errors import UserError, unknown
from harness.types import Component, Extra, Pipeline, Recipe

NAMED = ("encoders", "adapt")  # one entry per modality
FIXED = ("name", "title", "reference", "tasks", "profiles")
SHARED = "components"  # `components.run` is the option `run` of every component that has it
MODALITIES = ("image", "audio", "text")
Literals = TypeVar("Literals", Recipe, Extra)
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
PLAIN = {bool: "true or false", int: "int", float: "float", str: "str", NoneType: "none"}
BOUNDS: Mapping[str, tuple[str, Callable[[float], bool]]] = {
    "epochs": ("at least 1", lambda n: n >= 1),
    "batch": ("at least 1", lambda n: n >= 1),
    "lr": ("more than 0", lambda x: x > 0),
    "weight_decay": ("0 or more", lambda x: x >= 0),
    "warmup": ("a share, 0 to 1", lambda x: 0 <= x <= 1),
    "samples_per_epoch": ("0 (all) or more", lambda n: n >= 0),
    "layer_decay": ("more than 0, at most 1", lambda x: 0 < x <= 1),
    "augment": ("0 or more", lambda x: x >= 0),
    "flip": ("a share, 0 to 1", lambda x: 0 <= x <= 1),
    "shift": ("a share, 0 to 1", lambda x: 0 <= x <= 1),
    "crop": ("a share of the area, more than 0, at most 1", lambda x: 0 < x <= 1),
    "colour": ("a share, 0 to 1", lambda x: 0 <= x <= 1),
    "erase": ("a share, 0 to 1", lambda x: 0 <= x <= 1),
    "clip_grad": ("more than 0", lambda x: x > 0),
    "cap": ("0 (all) or more", lambda n: n >= 0),
}


def changed(pipeline: Pipeline, changes: Mapping[str, Any]) -> Pipeline:
    """The pipeline with `changes` applied in order; UserError for a field or type that does not exist.

    >>> from harness.types import Component, Pipeline, Recipe
    >>> p = Pipeline("p", "", "", {"image": Component("mae_vit_b")}, Component("transformer_4x"), Recipe(9, 1e-4, 32))
    >>> changed(p, {"encoders.image.width": 96, "fit.epochs": 3}).encoders["image"]
    Component(name='mae_vit_b', options={'width': 96}, source='')
    """
    for path, value in changes.items():
        pipeline = _change(pipeline, path, value)
    return pipeline


def parse(text: str) -> Any:
    """A value as typed on the command line: true/false, none, int, float, else the text itself.

    >>> [parse(t) for t in ("3", "1e-4", "true", "none", "data:demo-pretrain")]
    [3, 0.0001, True, None, 'data:demo-pretrain']
    """
    fixed = {"true": True, "false": False, "none": None}
    if text.lower() in fixed:
        return fixed[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def suited(kind: Any, value: Any, path: str) -> Any:
    """The value of field `path` as the type `kind` wants it: kept where it is one, yes and no as bools, else UserError.

    An int is a float too. Types made of more than numbers, bools, texts, None and Literals are not looked at.

    >>> suited(bool, "no", "frozen"), suited(int | None, 3, "k"), suited(float, 1, "hop")
    (False, 3, 1)
    """
    choices = _choices(kind)
    if not choices or any(_is_one(value, choice) for choice in choices):
        return value
    if bool in choices and str(value).lower() in WORDS:
        return WORDS[str(value).lower()]
    types = [PLAIN[choice] for choice in choices if choice in PLAIN]
    literals = ", ".join(str(choice) for choice in choices if choice not in PLAIN)
    expected = " or ".join(([f"one of {literals}"] if literals else []) + types)
    raise UserError(f"{path}: expected {expected}, came {value!r}")


def at(pipeline: Pipeline, modality: str) -> Component:
    """The encoder of a modality, or UserError listing those there are."""
    if modality not in pipeline.encoders:
        raise unknown(f"encoder modality of {pipeline.name}", modality, pipeline.encoders)
    return pipeline.encoders[modality]


def _change(pipeline: Pipeline, path: str, value: Any) -> Pipeline:
    head, *rest = path.split(".")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{path}: expected a finite number, came {value}")
    if head == SHARED:
        return _shared(pipeline, rest, value, path)
    names = [f.name for f in dataclasses.fields(pipeline) if f.name not in FIXED]
    if head not in names:
        raise unknown("field of a Pipeline", head, names)
    if head == "extra_train":
        return dataclasses.replace(pipeline, extra_train=_extra(pipeline.extra_train, rest, value, path))
    if head in NAMED:
        new: Any = _named(head, getattr(pipeline, head), rest, value, path)
        return dataclasses.replace(pipeline, **{head: new})
    return dataclasses.replace(pipeline, **{head: _inner(head, getattr(pipeline, head), rest, value, path)})


def _shared(pipeline: Pipeline, rest: list[str], value: Any, path: str) -> Pipeline:
    """One option of every component that has it."""
    places = {"fusion": pipeline.fusion, "partition": pipeline.partition, "postprocess": pipeline.postprocess}
    places |= {f"encoders.{modality}": component for modality, component in pipeline.encoders.items()}
    name = ".".join(rest)
    holders = [place for place, component in places.items() if name in component.options]
    if not holders:
        raise unknown(
            f"option of any component of {pipeline.name}", name, {o for c in places.values() for o in c.options}
        )
    return changed(pipeline, {f"{place}.{name}": value for place in holders})


def _extra(entries: Mapping[str, Extra], rest: list[str], value: Any, path: str) -> Mapping[str, Extra]:
    """Extra training data by a name of one's own: none of it, one source less, one more, or a field of one."""
    if not rest:
        if value is not None:
            raise UserError(f"{path} holds one entry per source: say {path}.NAME=DATA, or {path}=none for none at all")
        return {}
    name, *below = rest
    if not below and value is None:
        return {n: entry for n, entry in entries.items() if n != name}
    if not below:
        if not isinstance(value, Extra | str):
            raise UserError(f"{path}: expected the name of a data set, came {value!r}")
        return {**entries, name: value if isinstance(value, Extra) else Extra(value, source="chosen")}
    if name not in entries:
        raise UserError(f"{path}: this pipeline has no extra_train.{name}; it has {', '.join(entries) or 'none'}")
    return {**entries, name: _typed(entries[name], below, value, path)}


def _named(head: str, entries: Mapping[str, Any], rest: list[str], value: Any, path: str) -> Mapping[str, Any]:
    if not rest:
        raise UserError(f"{path} holds one entry per modality: say {path}.image, {path}.audio or {path}.text")
    modality, *below = rest
    if modality not in MODALITIES:
        raise unknown(f"modality of {head}", modality, MODALITIES)
    if not below and value is None:
        return {m: entry for m, entry in entries.items() if m != modality}
    if below and modality not in entries:
        raise UserError(f"{path}: this pipeline has no {head}.{modality}; it has {', '.join(entries) or 'none'}")
    default: Any = Component("") if head == "encoders" else None
    return {**entries, modality: _inner(modality, entries.get(modality, default), below, value, path)}


def _inner(name: str, current: Any, rest: list[str], value: Any, path: str) -> Any:
    if isinstance(current, Component):
        if not rest:
            if isinstance(value, Component):
                return value
            value = "none" if value is None else value
            if not isinstance(value, str):
                raise UserError(f"{path}: expected a component's name, came {value!r}")
            return current if value == current.name else Component(value, source="chosen")
        if len(rest) > 1:
            raise UserError(f"{path}: options of a component have no fields below them")
        return dataclasses.replace(current, options={**current.options, rest[0]: value})
    if isinstance(current, Recipe) or current is None:
        if not rest:
            if not isinstance(value, Recipe):
                raise UserError(f"{path} is a recipe: set one of its fields, say {path}.epochs")
            return value
        if current is None:
            raise UserError(f"{path}: there is no recipe here to change")
        return _typed(current, rest, value, path)
    if rest:
        raise UserError(f"{path}: {name} has no fields below it")
    return _check(Pipeline, name, value, path)


def _typed(literal: Literals, rest: list[str], value: Any, path: str) -> Literals:
    names = [f.name for f in dataclasses.fields(literal)]
    if len(rest) != 1 or rest[0] not in names:
        article = "an" if isinstance(literal, Extra) else "a"
        raise unknown(f"field of {article} {type(literal).__name__}", ".".join(rest), names)
    checked = _check(type(literal), rest[0], value, path)
    if rest[0] in BOUNDS and not BOUNDS[rest[0]][1](checked):
        raise UserError(f"{path}: expected {BOUNDS[rest[0]][0]}, came {value!r}")
    return dataclasses.replace(literal, **{rest[0]: checked})


def _check(owner: type, name: str, value: Any, path: str) -> Any:
    kind = get_type_hints(owner)[name]
    choices = get_args(kind)
    if value is None and ("none" in choices or name == "vote"):
        value = "none"
    checked = suited(kind, value, path)
    return float(checked) if kind is float else checked


def _choices(kind: Any) -> tuple[Any, ...]:
    """The plain types and literal values that `kind` is made of; none where it has others."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        inner = [_choices(one) for one in get_args(kind)]
        return tuple(choice for choices in inner for choice in choices) if all(inner) else ()
    return (kind,) if isinstance(kind, type) and kind in PLAIN else ()


def _is_one(value: Any, choice: Any) -> bool:
    """Whether a value is of a plain type, or is a literal one; a bool is no number."""
    if choice not in PLAIN:
        return type(value) is type(choice) and bool(value == choice)
    kinds = (int, float) if choice is float else choice
    return isinstance(value, kinds) and (choice is bool or not isinstance(value, bool))
