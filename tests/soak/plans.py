"""What a soak asks of its server, and how each call may end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, NamedTuple

from tests.scripted_server import Delivery, Script, Step
from tests.wire_bytes import DONE, STREAM_HEAD, USAGE_CHUNK, answer, chunked, delta, event, streamed


class Ending(NamedTuple):
    """How a call ended."""

    kind: str
    """`answered`, `left`, `cancelled`, or the name of an error's class."""
    text: str = ""
    """What was told until then."""
    words: str = ""
    """What the error says."""


_SOON: Final = 0.2
_LATE: Final = 20.0
"""Seconds that are never missed, however busy the machine is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What the server does with a text, and how a call that is read to its end must end."""

    script: Callable[[str], Script]
    ending: str
    missed: str = ""
    """The timeout that it makes a call miss, if it does."""


def _good(text: str) -> list[bytes]:
    return [*(delta(letter) for letter in text), delta("", finish_reason="stop"), USAGE_CHUNK, DONE]


def _breaking(*more: bytes, end: Step | None = None) -> Callable[[str], Script]:
    return lambda text: streamed(*_good(text)[:3], *more, end=end)


def _slow(text: str) -> Script:
    pieces: list[Step] = [STREAM_HEAD]
    for piece in [*_good(text), b""]:
        pieces += [chunked(piece), 0.005]
    return pieces


_REFUSAL: Final = {"error": {"code": 429, "message": "slow down"}}
_ERROR: Final = {"error": {"code": 502, "message": "Provider disconnected"}}
FAULTS: Final[Mapping[str, Fault]] = {
    "none": Fault(lambda text: streamed(*_good(text)), "answered"),
    "slow": Fault(_slow, "answered"),
    "in one piece": Fault(lambda text: streamed(b"".join(_good(text))), "answered"),
    "reset before the head": Fault(lambda _: ["RST"], "ConnectionLost"),
    "no head": Fault(lambda _: ["HANG"], "TimedOut", missed="first_byte"),
    "refused": Fault(lambda _: [answer(_REFUSAL, 429, Retry_After="0")], "RateLimited"),
    "login page": Fault(lambda _: [answer(b"<html></html>", Content_Type="text/html")], "Malformed"),
    "no JSON": Fault(_breaking(b"data: {\n\n", DONE), "Malformed"),
    "error chunk": Fault(_breaking(event(_ERROR), DONE), "ProviderFailed"),
    "ends early": Fault(_breaking(), "Interrupted"),
    "closed": Fault(_breaking(end="FIN"), "ConnectionLost"),
    "reset": Fault(_breaking(end="RST"), "ConnectionLost"),
    "silent": Fault(_breaking(end="HANG"), "TimedOut", missed="idle"),
}
_ASKED: Final = re.compile(r"(.+) (\d+)")


@dataclass(frozen=True, slots=True)
class Plan:
    """One call."""

    fault: str
    text: str
    """Digits that only this call is answered with."""
    leave_after: int | None = None
    """How many deltas are read before the stream is left; `None` reads it to its end."""
    closes: bool = True
    """Whether a stream that is left is closed, or dropped for the garbage collector."""
    cancel_after: float | None = None
    """Seconds after which the task is cancelled, on the async side."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [{"role": "user", "content": f"{self.fault} {self.text}"}]

    @property
    def timeout(self) -> dict[str, float]:
        waits = {"connect": _LATE, "first_byte": _LATE, "idle": _LATE}
        return waits | {name: _SOON for name in [FAULTS[self.fault].missed] if name}

    def problem(self, ending: Ending) -> str | None:
        """Say what is wrong with the ending of this call, `None` if nothing is."""
        allowed = {FAULTS[self.fault].ending}
        if self.leave_after is not None:
            allowed.add("left")
        if self.cancel_after is not None:
            allowed.add("cancelled")
        is_whole = (
            ending.text == self.text if ending.kind == "answered" else self.text.startswith(ending.text)
        )
        return None if ending.kind in allowed and is_whole else f"{self} has {ending}"


def plan(chance: Random) -> Plan:
    """Make up a call: half of them are read to their end, the others are left or cancelled."""
    fault = chance.choice([*FAULTS, *["none", "slow"] * 3])
    way = chance.random()
    return Plan(
        fault,
        str(chance.randrange(10**5, 10**12)),
        leave_after=chance.randrange(8) if 0.5 < way < 0.75 else None,
        closes=chance.random() < 0.5,
        cancel_after=chance.random() * 0.1 if way > 0.75 else None,
    )


def script_for(delivery: Delivery) -> Script:
    """Return what a plan asks the server to play."""
    asked = _ASKED.fullmatch(delivery.json["messages"][0]["content"])
    assert asked
    return FAULTS[asked[1]].script(asked[2])
