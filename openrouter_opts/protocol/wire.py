"""The JSON that goes out, as types: erased at run time, no behaviour.

Open where the API is open: a part or tool of a kind that is newer than this file is a plain mapping.
Source: https://openrouter.ai/docs/api_reference/overview
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class CacheControl(TypedDict):
    """A prompt-cache breakpoint."""

    type: Literal["ephemeral"]
    ttl: NotRequired[str]


class TextPart(TypedDict):
    """Text, and where the prompt cache may end."""

    type: Literal["text"]
    text: str
    cache_control: NotRequired[CacheControl]


class ImageUrl(TypedDict):
    """A URL or a data URL."""

    url: str
    detail: NotRequired[str]


class ImagePart(TypedDict):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl


class AudioData(TypedDict):
    """Audio as base64; URLs are not taken."""

    data: str
    format: str


class AudioPart(TypedDict):
    """Audio to listen to."""

    type: Literal["input_audio"]
    input_audio: AudioData


class FileData(TypedDict, total=False):
    """A document: a URL, a data URL, or the id of an upload."""

    filename: str
    file_data: str
    file_id: str


class FilePart(TypedDict):
    """A document, such as a PDF."""

    type: Literal["file"]
    file: FileData


class VideoPart(TypedDict):
    """A video, by URL or data URL."""

    type: Literal["video_url"]
    video_url: Mapping[str, Any]


Part: TypeAlias = TextPart | ImagePart | AudioPart | FilePart | VideoPart | Mapping[str, Any]


class FunctionCall(TypedDict):
    """The function of a tool call; `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCallParam(TypedDict):
    """A tool call that is sent back."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class MessageParam(TypedDict, total=False):
    """A message that is sent; `role` and `content` are always there."""

    role: str
    content: str | Sequence[Part] | None
    name: str
    tool_calls: Sequence[ToolCallParam]
    tool_call_id: str
    refusal: str
    reasoning: str
    reasoning_details: Sequence[Mapping[str, Any]]
    annotations: Sequence[Mapping[str, Any]]
    images: Sequence[Mapping[str, Any]]
    audio: Mapping[str, Any]


Messages: TypeAlias = Sequence[MessageParam | Mapping[str, Any]]
