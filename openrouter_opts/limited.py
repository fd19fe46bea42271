"""The spend limit of a framework's model: how its field holds one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, PlainSerializer, SkipValidation, WithJsonSchema

from openrouter_opts.discreet import Discreet
from openrouter_opts.locks import forkable_lock
from openrouter_opts.money.limits import LimitsLike, SpendLimit, limits_of

_ONE_AT_A_TIME: Final = forkable_lock()


def written_limits(limits: LimitsLike) -> dict[str, Any] | list[dict[str, Any]] | None:
    """Return limits as they may be stored."""
    several = [limit.written() for limit in limits_of(limits)]
    return several if len(several) > 1 else next(iter(several), None)


def with_one_limit(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of several calls with an amount made a limit, which is one for all of them."""
    limits = given.get("spend_limit")
    return dict(given) if limits is None else {**given, "spend_limit": limits_of(limits)}


def shown_limits(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call with its limits in plain form, which name the same limits: others may write them as JSON."""
    limits = given.get("spend_limit")
    several = limits if isinstance(limits, list | tuple) else (limits,)
    if not any(isinstance(each, SpendLimit) for each in several):
        return dict(given)
    return {**given, "spend_limit": written_limits(limits)}


class Limited(Discreet):
    """A model whose calls may cost so much together, and no more.

    Copies of a model share its limit, deep ones too, and so does what is read in the same process from its pickle, or from its JSON. In
    another process a pickle starts from what had been spent, and JSON from nothing.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    spend_limit: Annotated[
        SkipValidation[LimitsLike], PlainSerializer(written_limits), WithJsonSchema({})
    ] = Field(
        default=None,
        description="The most that calls may cost together, USD, such as `0.50`, or a `SpendLimit`, which may be shared; several all hold.",
    )

    def _limits(self) -> tuple[SpendLimit, ...]:
        """The limits that hold. An amount becomes one limit, for good, wherever the field got it from."""
        given: Any = self.spend_limit
        if given is None or isinstance(given, SpendLimit):
            return limits_of(given)
        with _ONE_AT_A_TIME:
            limits = limits_of(self.spend_limit)
            self.spend_limit = limits[0] if len(limits) == 1 else limits or None
        return limits
