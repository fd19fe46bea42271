"""JSON among other text: found where it is whole, and never where it was cut off."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_opts.json_text import (
    CutOffError,
    NotJSONError,
    ends,
    object_begun_in,
    object_in,
    sole_json_in,
)

BO = {"name": "Bo"}


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Bo"}',
        ' \n{ "name": "Bo" }\n',
        '```json\n{"name": "Bo"}\n```',
        '```\n{"name": "Bo"}\n```',
        'Sure!\n```JSON\n{"name": "Bo"}\n```\nAnything else?',
        'Here you are: {"name": "Bo"}. Hope it helps.',
        'As {you} asked [1]: {"name": "Bo"}',
        '<think>Is it {"name": "Al"}? No, {x}.</think>\n{"name": "Bo"}',
        '<Thinking>Hm.</thinking>```json\n{"name": "Bo"}\n```',
        '{"name": "Bo"}\n{"name": "Bo"}',
    ],
)
def test_an_object_is_found_whatever_is_around_it(text: str) -> None:
    assert object_in(text) == BO


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"html": "</think>{\\"a\\": 1}"}', '</think>{"a": 1}'),
        ('{"html": "```json {} ```"}', "```json {} ```"),
        ('{"html": "a\nb"}', "a\nb"),
        ('{"html": "\\ud83d\\ude00"}', "😀"),
        ('{"html": "half \\ud83d"}', "half \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_strings_hold_what_they_like(text: str, value: str) -> None:
    assert object_in(text) == {"html": value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON object"),
        ("Bo, I think.", "no JSON object"),
        ('"{\\"name\\": \\"Bo\\"}"', "no JSON object"),
        ("{'name': 'Bo'}", "no JSON object"),
        ('[{"name": "Bo"}]', "array"),
        ('{"name": "Bo",}', "what looks like JSON is none"),
        ('{"name": "Bo"]', "what looks like JSON is none"),
        ('{"name": "Al"} or {"name": "Bo"}', "2 different"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "what looks like JSON is none"),
    ],
)
def test_what_is_no_object_is_told_apart(text: str, problem: str) -> None:
    with pytest.raises(NotJSONError, match=problem) as caught:
        object_in(text)
    assert not isinstance(caught.value, CutOffError)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"name": "Bo"',
        '{"name": "Bo\\',
        '{"name": "Bo\\"}',
        '{"a": {"b": 1}, "c": ',
        '{"a": "line\nbreak", "b": {"c": 1}, "d": ',
        '[{"name": "Bo"},',
        '["a", {"name": "Bo"}',
        'For example {"name": "Al"}. So: {"name": "B',
        '<think>It may be {"name": "Bo"}',
        '{"a": "```json\n{}\n```',
        'So: {"a": "</think>{}',
    ],
)
def test_what_was_cut_off_is_never_mended(text: str) -> None:
    with pytest.raises(CutOffError):
        object_in(text)
    assert not ends(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2]", [1, 2]),
        ("\ufeff 5\n", 5),
        ('"Bo"', "Bo"),
        ("null", None),
        ('{"name": "Bo"}', BO),
        ("Sure:\n```json\n[1]\n```\nAnything else?", [1]),
        ("<think>[1]? No.</think>\n[2]", [2]),
        ('["a\nb", "\\ud83d"]', ["a\nb", "\N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_json_of_any_kind_is_read_where_nothing_else_is_said(text: str, value: Any) -> None:
    assert sole_json_in(text) == value


@pytest.mark.parametrize(
    "text", ["", "It is [1].", "[1] [2]", "```\n[1]\n```\n```\n[2]\n```", "[1, 2", "<think>It may be [1]"]
)
def test_json_among_other_text_is_not_all_there_is(text: str) -> None:
    with pytest.raises(ValueError):
        sole_json_in(text)


@pytest.mark.parametrize("text", ["<think>[1]", "<think>"])
def test_thinking_that_goes_on_is_cut_off(text: str) -> None:
    with pytest.raises(CutOffError):
        sole_json_in(text)
    assert not ends(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("Sure", {}),
        ("```json\n{", {}),
        ('Sure: {"name": "B', {"name": "B"}),
        ('{"a": 1, "b', {"a": 1}),
        ('{"name": "Bo"}\n```', BO),
        ('<think>{"a": 1}', {}),
        ('<think>{"a": 1}</think>{"b": 2', {"b": 2}),
        ('[{"a": 1}', {}),
        ('{"a": "x\ny', {}),
    ],
)
def test_what_is_still_coming_is_shown_as_far_as_it_goes(text: str, value: dict[str, Any]) -> None:
    assert object_begun_in(text) == value


NASTY = ["```", "```json\n{}\n```", '{"a": 1}', "{}", "[{", "<think>", "</think>", '"', "\\", '\\"', "\ud83d"]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(NASTY),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(NASTY), inner, max_size=3)
    ),
    max_leaves=6,
)
objects = st.dictionaries(st.text() | st.sampled_from(NASTY), values, max_size=4)
AROUND = [("", ""), ("```json\n", "\n```"), ("Here: ", " That's it."), ('<think>{} {"a": 1}</think>', "")]


@given(objects, st.sampled_from(AROUND), st.booleans(), st.sampled_from([None, 2]))
def test_every_object_is_found_whole_and_never_cut(
    value: dict[str, Any], around: tuple[str, str], ascii_only: bool, indent: int | None
) -> None:
    before, after = around
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    object_in(before + text + after)
    for cut in range(len(text)):
        with pytest.raises(NotJSONError):
            object_in(before + text[:cut])


@pytest.mark.parametrize(
    "text", ["{" * 1_000_000, '{"' + "\\" * 1_000_001, "{" + " " * 1_000_000, '{"a"' * 300_000]
)
def test_a_long_text_takes_no_longer_than_it_is(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(NotJSONError):
        object_in(text)
    assert time.perf_counter() - began < 2
