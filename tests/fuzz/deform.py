"""Changes that fuzzing by bytes alone rarely finds: something else at a place of the JSON, events lost, repeated, out of order."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

from tests.json_places import mutated, places

_VALUES: Final = (
    *(None, True, False, 0, 1, -1, 1.5, 429, 2**70, float("nan"), float("inf")),
    *("", "x", "error", "stop", "429", "call_1", "text", '{"a":1}', "\ud83d", "\ude00"),
    *([], {}, [{}], [None], {"text": "x"}, [[[]]], {"error": {"code": "x"}}, {"type": "text", "text": "x"}),
)
_DATA: Final = b"data: "


def deformed(data: bytes, chance: Random) -> bytes:
    """Change one thing in a stream or in JSON; bytes that are neither lose one."""
    parts = data.split(b"\n\n")
    number = chance.randrange(len(parts))
    change = chance.randrange(5) if len(parts) > 1 else 4
    if change == 0:
        del parts[number]
    elif change == 1:
        parts.insert(number, chance.choice(parts))
    elif change == 2:
        chance.shuffle(parts)
    else:
        parts[number] = _changed(parts[number], chance)
    return b"\n\n".join(parts)


def _changed(event: bytes, chance: Random) -> bytes:
    mark = _DATA if event.startswith(_DATA) else b""
    try:
        value: Any = json.loads(event[len(mark) :])
    except (ValueError, RecursionError):
        cut = chance.randint(0, len(event))
        return event[:cut] + event[cut + 1 :]
    every = places(value)
    path = chance.choice(every)
    new = chance.choice([*_VALUES, _at(value, chance.choice(every))])
    return mark + json.dumps(mutated(value, path, new)).encode()


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value
