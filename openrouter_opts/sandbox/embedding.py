"""Embeddings: a hash of words and of pairs of words, so that texts which share words have vectors that are near each other.

Each word, and each pair of neighbours, adds to or takes from one place of the vector; the vector is then brought to length 1. The same
text has the same vector in every run. A model that tells queries from documents leans each a little to its own side.
"""

from __future__ import annotations

import base64
import math
import re
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final
from zlib import crc32

from openrouter_opts.catalog import Model
from openrouter_opts.sandbox.check.messages import PART
from openrouter_opts.sandbox.check.options import PROVIDER
from openrouter_opts.sandbox.check.request import TRACE
from openrouter_opts.sandbox.check.shapes import (
    Shape,
    array,
    either,
    integer,
    nullable,
    number,
    one_of,
    record,
    string,
)
from openrouter_opts.sandbox.listing import full_row
from openrouter_opts.sandbox.money.books import Books
from openrouter_opts.sandbox.money.generation import Generation
from openrouter_opts.sandbox.money.tokens import count
from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.routing.providers import PROVIDERS, Provider

_WORD: Final = re.compile(r"\w+")
_SMALLEST: Final = Decimal("1e-12")
_LEAN: Final = 0.1


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that makes vectors.

    Attributes:
        model: as it is listed.
        provider: who serves it.
        dimensions: the length of its vectors, which may be asked to be shorter.
        tells_apart: whether `input_type` makes a difference.
    """

    model: Model
    provider: Provider
    dimensions: int
    tells_apart: bool = False

    @property
    def price(self) -> Decimal:
        """USD per token."""
        return (self.model.pricing or {})["prompt"]


def _listed(slug: str, name: str, price: str) -> Model:
    return Model(
        slug,
        name,
        released="2026-01-01",
        context_length=8192,
        output_modalities=("embeddings",),
        pricing={"prompt": Decimal(price), "completion": Decimal(0)},
    )


# The first is a real model's slug, that of the examples in OpenRouter's reference; the second is made up. The prices, the day, the context
# length and the lengths of the vectors are the sandbox's own for both.
_MODELS: Final = (
    EmbeddingModel(
        _listed("openai/text-embedding-3-small", "OpenAI: Text Embedding 3 Small", "0.00000002"),
        PROVIDERS["openai"],
        1536,
    ),
    EmbeddingModel(
        _listed("sandbox/embedding", "Sandbox: Embedding", "0.00000001"),
        Provider("sandbox", "Sandbox"),
        256,
        tells_apart=True,
    ),
)
MODELS: Final = {each.model.id: each for each in _MODELS}

_TOKEN: Final = number(0)
_INPUT: Final = either(
    array(array(_TOKEN, least=1), least=1),
    array(_TOKEN, least=1),
    array(record({"content": array(PART, least=1)}, required=["content"]), least=1),
    array(string(least=1), least=1),
    string(least=1),
)
_FIELDS: Final[dict[str, Shape]] = {
    "model": string(least=1),
    "input": _INPUT,
    "dimensions": integer(1),
    "encoding_format": one_of("float", "base64"),
    "input_type": string(),
    "provider": nullable(PROVIDER),
    "user": string(),
    "session_id": string(most=256),
    "trace": TRACE,
}
_BODY: Final = record(_FIELDS, required=["model", "input"])


def serve(
    body: Any, generation_id: str, books: Books, headers: Mapping[str, str], began: float
) -> dict[str, Any] | Refusal:
    """Answer a request for vectors, and book it."""
    if problem := _BODY(body, ""):
        return Refusal(400, problem)
    found = _model_of(body)
    if isinstance(found, Refusal):
        return found
    texts = _texts(body["input"])
    if refusal := _refusal(body, texts, found):
        return refusal
    tokens = sum(size for _, size in texts)
    cost = (tokens * found.price).quantize(_SMALLEST)
    if refusal := books.reserve(cost):
        return refusal
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "cost": float(cost), "is_byok": False}
    books.record(_generation(generation_id, found, cost, usage, body, headers, began))
    books.release(cost)
    return {
        "id": generation_id,
        "object": "list",
        "model": found.model.id,
        "provider": found.provider.name,
        "data": [
            {"object": "embedding", "index": index, "embedding": _written(vector, body)}
            for index, vector in enumerate(_vectors(texts, body, found))
        ],
        "usage": {
            **usage,
            "cost_details": {"upstream_inference_cost": float(cost)},
        },
    }


def listing() -> dict[str, Any]:
    """The answer of ``GET /embeddings/models``."""
    rows = [full_row(each.model) for each in _MODELS]
    return {"data": rows, "links": {"next": None}, "total_count": len(rows)}


def _model_of(body: Mapping[str, Any]) -> EmbeddingModel | Refusal:
    found = MODELS.get(body["model"])
    if found is None:
        return Refusal(
            400, f"{body['model']} is not a valid model ID for embeddings; there are {', '.join(MODELS)}"
        )
    wish, slug = body.get("provider") or {}, found.provider.slug
    only, order = wish.get("only"), wish.get("order")
    left_out = (
        slug in (wish.get("ignore") or ())
        or (only and slug not in only)
        or (order and slug not in order and wish.get("allow_fallbacks") is False)
        or (wish.get("zdr") and not found.provider.zdr)
        or (wish.get("data_collection") == "deny" and found.provider.collects)
    )
    if left_out:
        return Refusal(404, f"No endpoints found for {body['model']} that meet `provider`")
    return found


def _refusal(
    body: Mapping[str, Any], texts: Sequence[tuple[str, int]], model: EmbeddingModel
) -> Refusal | None:
    """Why this model doesn't take what it could read."""
    parts = [
        part
        for item in body["input"]
        if isinstance(body["input"], list) and isinstance(item, dict)
        for part in item["content"]
    ]
    other = next((part["type"] for part in parts if part["type"] != "text"), None)
    if other:
        return Refusal(404, f"No endpoints found that support {other} input")
    most = model.model.context_length or 0
    long = next((index for index, (_, size) in enumerate(texts) if size > most), None)
    if long is not None:
        return Refusal(400, f"input.{long}: has {texts[long][1]} tokens; {model.model.id} reads {most}")
    if body.get("dimensions", 1) > model.dimensions:
        return Refusal(400, f"dimensions: must be at most {model.dimensions}, is {body['dimensions']}")
    return None


def _texts(given: Any) -> list[tuple[str, int]]:
    """Each input as text, with the number of its tokens."""
    if isinstance(given, str) or isinstance(given[0], int | float):
        given = [given]
    return [_text(item) for item in given]


def _text(item: Any) -> tuple[str, int]:
    if isinstance(item, list):
        return " ".join(map(str, item)), len(item)
    if isinstance(item, dict):
        item = " ".join(part["text"] for part in item["content"] if part["type"] == "text")
    return item, count(item)


def _vectors(
    texts: Sequence[tuple[str, int]], body: Mapping[str, Any], model: EmbeddingModel
) -> Iterator[list[float]]:
    lean = body.get("input_type") if model.tells_apart else None
    for text, _ in texts:
        yield vector_of(text, body.get("dimensions", model.dimensions), lean)


def vector_of(text: str, dimensions: int, lean: str | None = None) -> list[float]:
    """The vector of a text, of length 1."""
    words = _WORD.findall(text.casefold()) or [text]
    sums = [0.0] * dimensions
    for piece in (*words, *map(" ".join, pairwise(words))):
        mark = crc32(piece.encode("utf-8", "replace"))
        # The lowest bit is left to the sign.
        sums[(mark >> 1) % dimensions] += 1.0 if mark & 1 else -1.0
    if lean:
        sums[crc32(lean.encode()) % dimensions] += _LEAN
    length = math.hypot(*sums)
    # Words may cancel each other out.
    return [each / length for each in sums] if length else [1.0, *sums[1:]]


def _written(vector: list[float], body: Mapping[str, Any]) -> list[float] | str:
    packed = struct.pack(f"<{len(vector)}f", *vector)
    if body.get("encoding_format") == "base64":
        return base64.b64encode(packed).decode()
    return list(struct.unpack(f"<{len(vector)}f", packed))


def _generation(
    generation_id: str,
    model: EmbeddingModel,
    cost: Decimal,
    usage: Mapping[str, Any],
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    began: float,
) -> Generation:
    return Generation(
        id=generation_id,
        model=model.model.id,
        provider=model.provider.name,
        created=time.time(),
        cost=cost,
        usage=usage,
        streamed=False,
        cancelled=False,
        finish_reason=None,
        native_finish_reason=None,
        latency=time.monotonic() - began,
        duration=0.0,
        request=body,
        referer=headers.get("http-referer"),
        user_agent=headers.get("user-agent"),
        api_type="embeddings",
    )
