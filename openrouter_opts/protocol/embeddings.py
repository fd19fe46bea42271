"""Vectors: the request for them, and the answer as values."""

from __future__ import annotations

import base64
import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from openrouter_opts.errors import ConfigurationError, Malformed
from openrouter_opts.money.cost import UNKNOWN_COST, Cost
from openrouter_opts.options import ProviderOptions
from openrouter_opts.protocol import decode, failure
from openrouter_opts.protocol.completion import Usage
from openrouter_opts.protocol.request import Request
from openrouter_opts.response import USEFUL_HEADERS

EncodingFormat: TypeAlias = Literal["float", "base64"]
EmbeddingInput: TypeAlias = (
    str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | Sequence[Mapping[str, Any]]
)
"""A text, texts, the tokens of a text, those of several, or `{"content": […parts]}` for each of several."""

DEFAULT_FORMAT: Final[EncodingFormat] = "base64"
"""Half the bytes or fewer of what numbers take, and read faster."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of one request, in the order of its inputs."""

    vectors: tuple[list[float], ...] = ()
    id: str | None = None
    """The generation id."""
    model: str | None = None
    """The model that answered."""
    provider: str | None = None
    usage: Usage | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The response headers worth keeping (see `openrouter_opts.response.USEFUL_HEADERS`)."""
    attempts: int = 1
    """How many requests were sent to get this answer."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The body as it came, but for `data`, which holds the vectors."""

    @property
    def vector(self) -> list[float]:
        """The first vector."""
        return self.vectors[0]

    @property
    def cost(self) -> Cost:
        """What the call cost; of source `unknown` when the answer does not say."""
        return self.usage.cost if self.usage else UNKNOWN_COST


def embedding_request(
    inputs: EmbeddingInput,
    *,
    model: str | None,
    options: ProviderOptions,
    dimensions: int | None = None,
    encoding_format: EncodingFormat | None = None,
    input_type: str | None = None,
) -> Request:
    """Build the request for vectors; the order of its keys is fixed, since the response cache looks at the bytes.

    Args:
        inputs: What to embed; goes out unchanged.
        model: A slug of `GET /embeddings/models`.
        options: What `embedding_options` lets pass.
        dimensions: The length of the vectors, for models that can shorten them.
        encoding_format: How vectors travel; by default `base64`.
        input_type: What the input is, for models that tell apart: `search_query`, `search_document`, …

    Raises:
        ConfigurationError: There is no model, nothing to embed, or one of the settings isn't what OpenRouter takes.
    """
    if model is None:
        raise ConfigurationError("model: embeddings need one, such as 'openai/text-embedding-3-small'")
    check_settings(dimensions, encoding_format, input_type)
    _check_inputs(inputs)
    settings = {
        "dimensions": dimensions,
        "encoding_format": encoding_format or DEFAULT_FORMAT,
        "input_type": input_type,
    }
    said = {name: value for name, value in settings.items() if value is not None}
    body = {"model": model, "input": inputs, **said, **options.body}
    return Request("POST", "/embeddings", options.headers).with_content(body)


def check_settings(dimensions: object, encoding_format: object, *input_types: object) -> None:
    """Raise `ConfigurationError` for what isn't a setting of embeddings; `None` is for what isn't set."""
    if dimensions is not None and not (type(dimensions) is int and dimensions >= 1):
        raise ConfigurationError(f"dimensions: should be a whole number from 1, not {dimensions!r}")
    if encoding_format is not None and encoding_format not in get_args(EncodingFormat):
        raise ConfigurationError(f"encoding_format: should be 'float' or 'base64', not {encoding_format!r}")
    for input_type in input_types:
        if input_type is None or (isinstance(input_type, str) and input_type):
            continue
        raise ConfigurationError(f"input_type: should be a string such as 'search_query', not {input_type!r}")


def _check_inputs(inputs: object) -> None:
    if isinstance(inputs, str):
        _check_text(inputs, "input")
        return
    if not isinstance(inputs, list | tuple):
        raise ConfigurationError(
            f"input: should be a text, or a list of texts, of tokens or of mappings, not {type(inputs).__name__}"
        )
    if not inputs:
        raise ConfigurationError("input: the list is empty; give at least one text")
    first = _kind(inputs[0])
    for index, item in enumerate(inputs):
        path = f"input[{index}]"
        if _kind(item) != first or first == "other":
            raise ConfigurationError(
                f"{path}: should not be of type {type(item).__name__} here; give texts only, tokens only, or mappings with `content` only"
            )
        if first == "text":
            _check_text(item, path)
        elif first == "tokens" and not (item and all(_kind(token) == "token" for token in item)):
            raise ConfigurationError(f"{path}: should be a list of at least one token, which are integers")
        elif first == "parts" and not item.get("content"):
            raise ConfigurationError(f"{path}.content: should be a list of at least one part")


def _kind(item: object) -> str:
    if isinstance(item, str):
        return "text"
    if isinstance(item, int) and not isinstance(item, bool):
        return "token"
    if isinstance(item, list | tuple):
        return "tokens"
    return "parts" if isinstance(item, Mapping) else "other"


def _check_text(text: str, path: str) -> None:
    if not text:
        raise ConfigurationError(f"{path}: is an empty text, which has no vector; leave it out")


def count_of_inputs(inputs: EmbeddingInput) -> int:
    """Return how many vectors are asked for."""
    return 1 if isinstance(inputs, str) or _kind(inputs[0]) == "token" else len(inputs)


def facts(
    body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, attempts: int = 1
) -> Embeddings:
    """Read everything but the vectors."""
    headers = {name: value for name, value in (headers or {}).items() if name in USEFUL_HEADERS}
    raw_usage = body.get("usage")
    return Embeddings(
        id=decode.text_of(body.get("id")) or headers.get("x-generation-id"),
        model=decode.text_of(body.get("model")),
        provider=decode.text_of(body.get("provider")) or headers.get("x-provider-name"),
        usage=decode.usage(raw_usage) if isinstance(raw_usage, dict) and raw_usage else None,
        headers=headers,
        attempts=attempts,
        raw={name: value for name, value in body.items() if name != "data"},
    )


def vectors(body: Mapping[str, Any], count: int) -> tuple[list[float], ...]:
    """Read the vectors, in the order of the inputs.

    Args:
        body: The answer.
        count: How many were asked for.

    Raises:
        Malformed: There are more or fewer of them, one is none, or they differ in length.
    """
    rows = decode.mappings(body.get("data"))
    if len(rows) != count:
        raise failure.with_advice(
            Malformed, f"asked for {count} vectors, and {len(rows)} came", delivered="yes"
        )
    read = tuple(_vector(row.get("embedding"), place) for place, row in enumerate(_ordered(rows)))
    if len(lengths := sorted({len(each) for each in read})) > 1:
        raise failure.with_advice(
            Malformed,
            f"the vectors differ in length: {', '.join(map(str, lengths))} numbers",
            delivered="yes",
        )
    return read


def _ordered(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Put rows in the order of their `index`, if they all have one. Rows that all have the same are in order as they came."""
    places = [decode.count_of(row.get("index")) for row in rows]
    if None in places or len(set(places)) == 1:
        return rows
    if len(set(places)) < len(rows):
        raise failure.with_advice(Malformed, "two vectors claim to be for the same input", delivered="yes")
    return sorted(rows, key=lambda row: row["index"])


def _vector(written: object, place: int) -> list[float]:
    try:
        vector = _from_base64(written) if isinstance(written, str) else written
        # One pass in C finds a null or text among the numbers, and what is not finite.
        if isinstance(vector, list) and vector and math.isfinite(sum(vector)):
            return vector
        problem = "has no finite numbers"
    except (TypeError, ValueError) as error:
        problem = f"cannot be read ({error})"
    raise failure.with_advice(Malformed, f"vector {place} {problem}", delivered="yes")


def _from_base64(text: str) -> list[float]:
    """Read little-endian numbers of four bytes; raises `ValueError` for what isn't that."""
    numbers = array("f")
    numbers.frombytes(base64.b64decode(text, validate=True))
    if sys.byteorder == "big":  # pragma: no cover - no machine that the tests run on is
        numbers.byteswap()
    return numbers.tolist()
