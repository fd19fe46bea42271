"""What threads may still cost: remembered in this process for runs that were left, and shared by those that run at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self
from uuid import uuid4
from weakref import WeakValueDictionary, ref

from langchain_core.runnables import ensure_config
from langgraph.constants import CONF, CONFIG_KEY_CHECKPOINTER

from openrouter_opts.locks import forkable_lock
from openrouter_opts.money.cost import EXACT
from openrouter_opts.money.limits import SpendLimit

_MOST: Final = 10_000
_noting: Final = forkable_lock()
"""For all threads, which are noted one at a time. Whoever holds it waits for that of the store, which is older."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class ThreadMoney:
    """The money of one thread, as far as this process knows of it. A copy is the same one: the state that has it may be copied."""

    limit: SpendLimit
    noted: Decimal
    """What this process has last said, or heard, that the thread has cost, USD."""
    name: str
    """By which the thread is found again, whichever checkpointer and agent it is run with."""

    def heard(self, spent: Decimal) -> None:
        """Count what the state says beyond what was noted here: another process has gone on with the thread."""
        with _noting:
            elsewhere = EXACT.subtract(spent, self.noted)
            if elsewhere > 0:
                self.limit.charge(elsewhere)
                self.noted = spent

    def note(self) -> Decimal:
        """Return what the thread has cost, for its state, USD: in full what is pending, since it may be billed so.

        What other runs have reserved is theirs to note, once it is known: a state that is stored late must not say more than was spent.
        """
        with _noting:
            figures = self.limit.figures
            self.noted = EXACT.add(figures.spent, figures.pending)
            return self.noted

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Threads:
    """The threads of a process: those that run now, and of the others those that did last."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = forkable_lock()
        # A run holds its thread, so that it is found for as long as it runs.
        self._known: WeakValueDictionary[Hashable, ThreadMoney] = WeakValueDictionary()
        self._recent: OrderedDict[ThreadMoney, None] = OrderedDict()

    def find(
        self, amount: Decimal, name: str | None, place: Hashable, fresh: Callable[[str], ThreadMoney]
    ) -> ThreadMoney:
        """Return the thread of this name or, else, at this place; or a new one.

        Args:
            amount: Its limit, USD. Threads with another one are others.
            name: What its state calls it, if it has had a run that was noted.
            place: Where it is kept: several runs may begin before the first is noted, and one may begin where none had been yet.
            fresh: Makes one of a name.
        """
        with self._lock:
            known = self._known
            found = known.get((amount, name)) or known.get((amount, place))
            if found is None or name is None:
                # Not at every run: where a checkpointer is made for each request, each is a place of its own.
                found = known[amount, place] = found or fresh(name or uuid4().hex)
            known[amount, name or found.name] = found
            self._recent[found] = None
            self._recent.move_to_end(found)
            if len(self._recent) > self._most:
                self._recent.popitem(last=False)
        return found


def place_now(otherwise: object) -> Hashable | None:
    """Return where the thread of this run is kept: in which checkpointer, under which id, for which agent; `None` if it is none.

    Args:
        otherwise: Stands for the checkpointer where there is none.
    """
    config: Mapping[str, Any] = ensure_config().get(CONF, {})
    thread = config.get("thread_id")
    if thread is None:
        return None
    keeper = config.get(CONFIG_KEY_CHECKPOINTER) or otherwise
    # Of each level the name, without its task or its number; the last one is the node that asks.
    levels = str(config.get("checkpoint_ns", "")).split("|")[:-1]
    agent = tuple(level.split(":")[0] for level in levels if not level.isdigit())
    return (_Same(keeper), str(thread), agent)


class _Same:
    """Which object, for as long as it lives: equal to what is of the same one."""

    __slots__ = ("_id", "_ref")

    def __init__(self, of: object) -> None:
        self._id, self._ref = id(of), ref(of)

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and (one := self._ref()) is not None and one is other._ref()
