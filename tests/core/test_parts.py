"""What content parts are, whichever framework they come from."""

from __future__ import annotations

import mimetypes
from typing import Any

import pytest

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.protocol.parts import file_name, file_name_in, format_of_sound, is_fetchable, marked

TEXT = {"type": "text", "text": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
MARK = {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("url", "fetchable"),
    [
        ("https://example.org/a.png", True),
        ("HTTP://example.org/a.png", True),
        ("data:image/png;base64,AA==", True),
        ("file:///pictures/a.png", False),
        ("gs://bucket/a.png", False),
        ("a.png", False),
        ("https://[::1/a.png", False),
        ("", False),
        (None, False),
        (5, False),
        (b"https://example.org/a.png", False),
    ],
)
def test_openrouter_fetches_what_it_can_reach(url: Any, fetchable: bool) -> None:
    assert is_fetchable(url) is fetchable


@pytest.mark.parametrize(
    ("mime_type", "name"),
    [
        ("audio/mpeg", "mp3"),
        ("audio/wav", "wav"),
        ("audio/x-wav", "wav"),
        ("audio/L16; rate=24000", "pcm16"),
        ("AUDIO/FLAC", "flac"),
        ("mp3", "mp3"),
    ],
)
def test_a_format_of_sound_has_the_name_that_the_api_takes(mime_type: str, name: str) -> None:
    assert format_of_sound(mime_type) == name


@pytest.mark.parametrize(
    ("mime_type", "named", "name"),
    [
        ("application/pdf", "a.pdf", "a.pdf"),
        ("application/pdf", "Report v1.2", "Report v1.2.pdf"),
        ("application/pdf", None, "document.pdf"),
        ("application/pdf", "", "document.pdf"),
        ("text/plain", "a.pdf", "a.pdf"),
        (None, "a.tar.gz", "a.tar.gz"),
        ("application/gzip", "dump.gz", "dump.gz"),
        (None, None, "document"),
        ("x/unheard-of", "Notes", "Notes"),
    ],
)
def test_a_file_has_a_name_with_the_ending_of_its_type(
    mime_type: str | None, named: str | None, name: str
) -> None:
    assert file_name(mime_type, named) == name


def test_a_number_is_no_ending_even_where_manuals_have_types(monkeypatch: pytest.MonkeyPatch) -> None:
    mimetypes.init()
    monkeypatch.setitem(mimetypes.types_map, ".2", "application/x-troff-man")
    assert mimetypes.guess_type("Report v1.2") == ("application/x-troff-man", None)
    assert file_name("application/pdf", "Report v1.2") == "Report v1.2.pdf"
    assert file_name_in("https://example.org/v1.2") is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/a/My%20report.pdf?x=1.png#y", "My report.pdf"),
        ("https://example.org/a/report", None),
        ("https://example.org/v1.2", None),
        ("https://example.org/", None),
        ("data:application/pdf,a.pdf", None),
    ],
)
def test_a_file_is_named_by_its_address_if_that_has_an_ending(url: str, name: str | None) -> None:
    assert file_name_in(url) == name


@pytest.mark.parametrize(
    ("parts", "after"),
    [
        ([TEXT], [{"cache_control": MARK, **TEXT}]),
        ([TEXT, IMAGE], [{"cache_control": MARK, **TEXT}, IMAGE]),
        ([TEXT, TEXT, IMAGE], [TEXT, {"cache_control": MARK, **TEXT}, IMAGE]),
        ([IMAGE, IMAGE], [IMAGE, {"cache_control": MARK, **IMAGE}]),
        ([{**TEXT, "cache_control": {"ttl": "1h"}}], [{**TEXT, "cache_control": {"ttl": "1h"}}]),
    ],
    ids=["text", "text before an image", "last text", "no text", "its own"],
)
def test_a_breakpoint_stands_on_the_last_text_or_else_on_the_last_part(
    parts: list[Any], after: list[Any]
) -> None:
    before = [dict(part) for part in parts]
    assert marked(parts, MARK, "messages[0]") == after
    assert parts == before


def test_a_breakpoint_on_nothing_is_refused_with_its_path() -> None:
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]: a cache breakpoint needs a text"):
        marked([], MARK, "messages[0]")
