"""The errors that the core does not know: what the model wrote is not what it was asked to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from llama_index.core.base.llms.types import ChatResponse

from openrouter_opts import errors as core
from openrouter_opts.protocol import decode


class InvalidOutput(core.Malformed, ValueError):
    """A tool call's arguments, or an object that was asked for, is cut off, refused, no JSON at all, or JSON of another shape.

    `partial` has what the model wrote, and `usage` what that cost. It is a `ValueError` as well, which LlamaIndex's own programs raise
    then.
    """

    @classmethod
    def of(cls, problem: str, response: ChatResponse) -> Self:
        """Return an error that holds what was written, and what it cost."""
        partial = decode.completion(response.raw if isinstance(response.raw, Mapping) else {})
        return cls(
            problem,
            partial=partial,
            usage=partial.usage,
            generation_id=partial.id,
            provider=partial.provider,
            request_id=response.additional_kwargs.get("request_id"),
            attempts=response.additional_kwargs.get("attempts", 1),
            delivered="yes",
        )


class Truncated(InvalidOutput):
    """It was cut off. What there is of it is in `partial`, and is no answer."""


class Refused(InvalidOutput, core.Refused):
    """The model would not write it, or a content filter stopped it."""
