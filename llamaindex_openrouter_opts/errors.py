"""The one error that the core does not know: what the model wrote is not what it was asked to write."""

from __future__ import annotations

from openrouter_opts.errors import Malformed


class InvalidOutput(Malformed, ValueError):
    """A tool call's arguments, or an object that was asked for, is cut off, refused, or no JSON at all.

    It is a `ValueError` as well, which LlamaIndex's own programs raise then.
    """
