"""Which places of a prompt get a cache breakpoint. Pure: it knows places and their marks, and no messages.

https://openrouter.ai/docs/guides/best-practices/prompt-caching
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from openrouter_opts.lint import MOST_BREAKPOINTS

Ttl: TypeAlias = Literal["5m", "1h"]
"""How long a cache keeps what it has, from its last use on."""
Section: TypeAlias = Literal["tools", "system", "sent", "new"]
"""The parts of a prompt: `sent` are the messages that the request before ended with, and `new` is what has come since."""

_BY_WORTH: Final[Sequence[Section]] = ("new", "system", "tools", "sent")
"""Which sections go first when there aren't enough breakpoints for all.

The next request reads all of this one up to the end of `new`; another conversation reads `system`; `tools` are left when the system
prompt has changed. A cache looks for an earlier breakpoint in the 20 blocks before a breakpoint only, so `sent` is for turns longer than
that.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A block of a prompt.

    Attributes:
        section: the part of the prompt that it is in.
        ttl: how long a cache keeps the prompt up to here; None where there is no breakpoint.
        free: whether a breakpoint can be set here.
    """

    section: Section
    ttl: Ttl | None = None
    free: bool = False


def plan(places: Sequence[Place], wanted: Mapping[Section, Ttl]) -> dict[int, Ttl]:
    """Return the breakpoints to add: one at the end of each section, until there are four in all.

    Those that are there stay, and count. A section that ends with one gets no second one. Longer ttls have to come before shorter ones:
    beside breakpoints of another ttl a new one takes theirs, and where none would fit between them there is none.

    Args:
        places: The prompt, in the order in which caches read it.
        wanted: The ttl for each section that is to get a breakpoint; never longer than that of a section before it.
    """
    marks: dict[int, Ttl] = {index: place.ttl for index, place in enumerate(places) if place.ttl}
    left = MOST_BREAKPOINTS - len(marks)
    planned: dict[int, Ttl] = {}
    for section in _BY_WORTH:
        index = _end(places, section)
        if index is None or index in marks or section not in wanted or len(planned) >= left:
            continue
        if ttl := _fitting(marks, index, wanted[section]):
            planned[index] = ttl
    return planned


def _end(places: Sequence[Place], section: Section) -> int | None:
    """The last place of a section that has a breakpoint, or can have one."""
    ends = (i for i, place in enumerate(places) if place.section == section and (place.free or place.ttl))
    return max(ends, default=None)


def _fitting(marks: Mapping[int, Ttl], index: int, wanted: Ttl) -> Ttl | None:
    """The ttl that keeps the order with those that are there, if one does."""
    after_a_short_one = any(ttl == "5m" and other < index for other, ttl in marks.items())
    before_a_long_one = any(ttl == "1h" and other > index for other, ttl in marks.items())
    if after_a_short_one and before_a_long_one:
        return None
    return "5m" if after_a_short_one else "1h" if before_a_long_one else wanted
