"""Every object inside options whose keys are known, each where it stands: read from the types of the options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from openrouter_opts.options import Part, ServerTool, WebSearchShorthand
from openrouter_opts.options.fields import AllFields
from openrouter_opts.options.option import AsGiven, InstanceOnly

JSON: TypeAlias = dict[str, Any]
_NOBODYS: Final = "x"


@dataclass(frozen=True)
class Place:
    """An object inside an option.

    Attributes:
        path: where it is, as errors name it: ``provider.max_price``.
        part: the class of it.
        options: returns options that are legal but for what the object holds beside what it has to.
    """

    path: str
    part: type[Part]
    options: Callable[[JSON], JSON]

    def __str__(self) -> str:
        return f"{self.path}:{self.part.__name__}"

    @property
    def keys(self) -> Mapping[str, Any]:
        """The keys that are known, with the types of their values; a server tool's type is beside them."""
        known = {key: self.part.model_fields[name].annotation for key, name in self.part.known_keys().items()}
        return {key: kind for key, kind in known.items() if key != "type" or not _is_nested(self.part)}

    @property
    def required(self) -> JSON:
        """What it has to hold."""
        return {key: value for key, value in _required(self.part).items() if key in self.keys}


def places() -> list[Place]:
    """Return every place whose further keys are refused or warned about."""
    return [
        Place(f"{name}{path}", part, lambda inner, name=name, make=make: {name: make(inner)})
        for name, field in AllFields.model_fields.items()
        for path, part, make in _objects(field.annotation, ())
        if not part.is_verbatim
    ]


Found: TypeAlias = tuple[str, type[Part], Callable[[JSON], Any]]


def _objects(annotation: Any, above: tuple[type[Part], ...]) -> Iterator[Found]:
    """Find the objects in a value of a type: the path to each, its class, and how to put one in its place."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        for part in _family(annotation):
            if part not in above:  # a subagent has tools, which may be subagents
                yield from _in_part(part, (*above, part))
    elif origin is Annotated and not any(isinstance(mark, AsGiven | InstanceOnly) for mark in inner[1:]):
        yield from _objects(inner[0], above)
    elif origin in {Union, UnionType}:
        for member in inner:
            yield from _objects(member, above)
    elif origin not in {None, Literal, Annotated} and not issubclass(origin, Mapping):
        for path, part, make in _objects(inner[0], above):
            yield f"[0]{path}", part, lambda value, make=make: [make(value)]


def _in_part(part: type[Part], above: tuple[type[Part], ...]) -> Iterator[Found]:
    root = ".parameters" if _is_nested(part) else ""
    yield root, part, lambda value: _written(part, value)
    for key, name in part.known_keys().items():
        for path, inner, make in _objects(part.model_fields[name].annotation, above):
            yield (
                f"{root}.{key}{path}",
                inner,
                lambda value, key=key, make=make: _written(part, {**_required(part), key: make(value)}),
            )


def _written(part: type[Part], value: JSON) -> JSON:
    if not _is_nested(part):
        return {**_required(part), **value}
    parameters = {key: inner for key, inner in value.items() if key != "type"}
    return {"type": part.model_fields["type"].default, "parameters": parameters}


def _is_nested(part: type[Part]) -> bool:
    return issubclass(part, ServerTool) and not issubclass(part, WebSearchShorthand)


def _family(part: type[Part]) -> list[type[Part]]:
    return list(dict.fromkeys(part.kinds().values())) if _is_family(part) else [part]


def _is_family(part: type[Part]) -> bool:
    return part.tag in part.model_fields and bool(part.kinds())


def _required(part: type[Part]) -> JSON:
    """Return the least that an object of a class has to hold, its tag included."""
    fields = {key: part.model_fields[name] for key, name in part.known_keys().items()}
    return {
        key: _least(field.annotation) if field.is_required() else field.default
        for key, field in fields.items()
        if field.is_required() or field.default is not None
    }


def _least(annotation: Any) -> Any:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _least(inner[0])
    if origin in {Union, UnionType}:
        return _least(inner[0])
    if origin is Literal:
        return inner[0]
    if origin is not None:
        return []
    if issubclass(annotation, Part):
        return _required(annotation)
    return {str: _NOBODYS, float: 1, NoneType: None}[annotation]
