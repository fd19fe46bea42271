"""`TypedDict`s as langchain-core reads them.

It knows neither `Required`, `NotRequired` and `ReadOnly` nor `total=False`, and describes one without a docstring as a `dict`. A field with a
default is one that it takes for optional.
"""

from __future__ import annotations

import types
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import (
    ReadOnly,
    TypedDict,
    get_type_hints,
    is_typeddict,
)

_MARKS: Final = (Required, NotRequired, ReadOnly)


def plain(given: Any) -> Any:
    """Return a type with each `TypedDict` in it written for langchain-core; everything else is as it was."""
    return _plain(given, {})


def _plain(given: Any, made: dict[Any, Any]) -> Any:
    if is_typeddict(given):
        if given not in made:
            # As it is where it refers to itself.
            made[given] = given
            made[given] = _rewritten(given, made)
        return made[given]
    args = get_args(given)
    written = tuple(_plain(each, made) for each in args)
    if written == args:
        return given
    origin = get_origin(given)
    if origin in {Union, types.UnionType}:
        return reduce(or_, written)
    return Annotated[written] if origin is Annotated else origin[written]


def _rewritten(given: Any, made: dict[Any, Any]) -> Any:
    try:
        hints = get_type_hints(given, include_extras=True)
    except NameError:
        return given
    fields = {name: _field(hint, name in given.__optional_keys__, made) for name, hint in hints.items()}
    make: Any = TypedDict  # type checkers want to see the fields
    written = make(given.__name__, fields)
    written.__doc__ = given.__doc__ or ""
    return written


def _field(hint: Any, is_optional: bool, made: dict[Any, Any]) -> Any:
    notes: tuple[Any, ...] = ()
    while (origin := get_origin(hint)) in _MARKS or origin is Annotated:
        if origin is Annotated:
            hint, *more = get_args(hint)
            notes = (*more, *notes)
            continue
        is_optional = is_optional if origin is ReadOnly else origin is NotRequired
        (hint,) = get_args(hint)
    hint = _plain(hint, made)
    if is_optional:
        notes = (None, *notes[1:]) if notes[:1] in {(), (...,)} else notes
    return Annotated[(hint, *notes)] if notes else hint
