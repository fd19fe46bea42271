"""A request as JSON: in pieces, where it is large, and by the bytes the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.protocol import encoding
from openrouter_opts.protocol.encoding import (
    LARGE,
    PIECE,
    base64_of,
    encode,
    encode_in_pieces,
    in_base64,
    is_large,
)
from openrouter_opts.protocol.request import chat_request, get_request

TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT | st.integers() | st.booleans() | st.none(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(body=st.dictionaries(TEXT, JSON, max_size=4), piece=st.integers(1, 20), each=st.integers(1, 64))
@example(body={"halves at the cut": "xx\ud83d\ude00xx"}, piece=3, each=64)
def test_what_is_written_in_pieces_has_the_bytes_of_what_is_written_at_once(
    body: dict[str, Any], piece: int, each: int
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "PIECE", piece)
        patch.setattr(encoding, "_OF_A_VALUE", each)
        assert encode_in_pieces(body) == encode(body)


@given(data=st.binary(max_size=60), piece=st.integers(1, 4))
def test_base64_in_pieces_is_base64(data: bytes, piece: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "PIECE", piece)
        assert base64_of(data) == base64.b64encode(data).decode()
        assert base64_of(memoryview(data)) == base64_of(data)
        assert b"".join(in_base64(base64.b64encode(data))) == data


@given(text=st.binary(max_size=30) | st.text("Aa+/=", max_size=30).map(str.encode), piece=st.integers(1, 4))
@example(text=b"AA==AAAA", piece=1)
def test_what_is_no_base64_is_none_in_pieces_either(text: bytes, piece: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "PIECE", piece)
        assert read(lambda: b"".join(in_base64(text))) == read(lambda: base64.b64decode(text, validate=True))


def read(text: Callable[[], bytes]) -> bytes | None:
    try:
        return text()
    except ValueError:
        return None


def test_no_piece_of_an_image_is_long():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5 * PIECE}}
    body = {"model": "m/x", "messages": [{"role": "user", "content": [{"type": "text", "text": "é"}, image]}]}
    pieces = list(encoding._pieces(body, encoding._DEEP))
    assert max(map(len, pieces)) <= PIECE + 2
    assert "".join(pieces) == json.dumps(body, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("text", ["A" * LARGE, "é" * LARGE], ids=["ascii", "others"])
@pytest.mark.parametrize("as_parts", [False, True], ids=["text", "parts"])
def test_a_large_body_is_written_when_it_is_asked_for(text: str, as_parts: bool):
    content = [{"type": "text", "text": text}] if as_parts else text
    request = chat_request({"messages": [{"role": "user", "content": content}]}, {})
    assert (request.body, request.is_unwritten) == (None, True)
    written = request.written()
    assert json.loads(written.body or b"")["messages"][0]["content"] == content
    assert written.written() is written


@pytest.mark.parametrize(
    "change",
    [
        lambda history: history.append({"role": "user", "content": "LATER"}),
        lambda history: history.clear(),
        lambda history: history[0].update(name="Ann"),
        lambda history: history[1]["content"].pop(),
        lambda history: history[1]["content"][0].update(text="LATER"),
        lambda history: history[2]["content"][0].update(text="LATER"),
    ],
    ids=["longer", "shorter", "a key more", "a part less", "another text", "in a tuple"],
)
def test_a_large_body_is_written_as_it_was_when_it_was_asked_for(change: Callable[[Any], object]):
    history: list[dict[str, Any]] = [
        {"role": "user", "content": "A" * LARGE},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "user", "content": ({"type": "text", "text": "hi"},)},
    ]
    request = chat_request({"messages": history}, {})
    asked = encode({"messages": history})
    assert request.content["messages"][0]["content"] is history[0]["content"]
    change(history)
    assert request.written().body == asked


def test_a_small_body_is_written_at_once_and_a_lookup_has_none():
    assert not chat_request({"messages": [{"role": "user", "content": "hi"}]}, {}).is_unwritten
    assert not get_request("models").is_unwritten


def endless() -> dict[str, Any]:
    knot: dict[str, Any] = {}
    knot["again"] = [knot]
    return knot


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (float("nan"), "metadata.a: nan is no JSON number"),
        ({1, 2}, "metadata.a: JSON has no form for a set"),
        (b"\0" * LARGE, "metadata.a: JSON has no form for a bytes"),
        (endless(), "metadata.a.again[0]: contains itself"),
    ],
    ids=["NaN", "set", "bytes", "cycle"],
)
@pytest.mark.parametrize(
    "write", [encode, encode_in_pieces, lambda body: chat_request(body, {}).written().body]
)
def test_what_json_has_no_word_for_is_found_beside_a_large_text(
    wrong: Any, words: str, write: Callable[[Any], bytes]
):
    with pytest.raises(ConfigurationError) as caught:
        write({"messages": "A" * 2 * LARGE, "metadata": {"a": wrong}})
    assert words in str(caught.value)


def test_many_texts_are_as_large_as_one():
    assert is_large([{"content": "A" * 1000}] * 1100)
    assert not is_large([{"content": "A" * 1000}] * 900)
    assert is_large([[]] * 20_000)
    assert is_large([{"content": "", "reasoning": "A" * LARGE}])
    assert is_large([{"content": [{"type": "text", "text": "A" * LARGE}]}])


@pytest.mark.parametrize("kind", [bytes, bytearray, lambda size: memoryview(bytes(size))])
def test_bytes_of_every_kind_count(kind: Callable[[int], Any]):
    assert is_large([{"type": "file", "base64": kind(LARGE)}])
    assert not is_large([{"type": "file", "base64": kind(LARGE // 2)}])
