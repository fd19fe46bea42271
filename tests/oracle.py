"""The official SDK as the judge of what we send.

Every chat request that any test sends must parse as its `ChatRequest`, and come out with everything the SDK has a field for, unchanged.
What the SDK has no field for (newer options, `extra_body`) it cannot judge.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from openrouter.components import ChatRequest
from openrouter.types.basemodel import Unset
from pydantic import BaseModel


def problems(body: bytes | Mapping[str, Any]) -> list[str]:
    """Return what the SDK would lose, rename or change of a request, as paths."""
    sent = json.loads(body) if isinstance(body, bytes) else body
    with warnings.catch_warnings():
        # What the SDK finds old-fashioned it still sends.
        warnings.simplefilter("ignore", DeprecationWarning)
        return list(_lost(sent, ChatRequest.model_validate(_as_typed(sent)), ""))


def _as_typed(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Write prices as strings: the guides say numbers, the SDK's types say strings, and OpenRouter takes both."""
    provider = sent.get("provider") or {}
    prices = {key: str(price) for key, price in (provider.get("max_price") or {}).items()}
    return {**sent, "provider": {**provider, "max_price": prices}} if prices else dict(sent)


def _lost(sent: Any, parsed: Any, path: str) -> Iterator[str]:
    if isinstance(parsed, Unset):
        yield f"{path}: is dropped"
    elif isinstance(parsed, BaseModel):
        if getattr(parsed, "is_unknown", False):
            yield f"{path}: is of a kind that it does not know: {sent!r:.80}"
            return
        names = {field.alias or name: name for name, field in type(parsed).model_fields.items()}
        for key, value in sent.items():
            if key in names:
                yield from _lost(value, getattr(parsed, names[key]), f"{path}.{key}".lstrip("."))
    elif isinstance(parsed, list) and isinstance(sent, list):
        if len(parsed) != len(sent):
            yield f"{path}: has {len(parsed)} items instead of {len(sent)}"
        for index, (value, item) in enumerate(zip(sent, parsed, strict=False)):
            yield from _lost(value, item, f"{path}[{index}]")
    elif not _same(sent, parsed):
        yield f"{path}: {sent!r} becomes {parsed!r}"


def _same(sent: Any, parsed: Any) -> bool:
    if isinstance(sent, int | float) and isinstance(parsed, str) and not isinstance(sent, bool):
        return str(sent) == parsed
    if isinstance(parsed, date):
        return sent == str(parsed)
    return bool(sent == parsed)
