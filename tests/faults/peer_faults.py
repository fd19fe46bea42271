"""Fourteen faults, and what a caller needs to learn of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.scripted_server import Script
from tests.wire_bytes import COMPLETION, DONE, STREAM_HEAD, USAGE, answer, chunked, event, streamed

_SAID: Final = "Lighthouse"
_HEAD: Final = {"id": "gen-1", "created": 1790000000, "model": "openai/gpt-5-mini", "provider": "Mock"}
PATIENCE: Final = 2.0
GIVE_UP: Final = 30.0
"""Seconds after which a call is taken to wait for ever: more than the longest fault, with retries, needs."""
# What is neither a client's own nor of the SDK that it is known to be made with: to catch it, one has to know how the client is built.
_RAW: Final = frozenset(
    {"builtins", "httpcore", "httpcore2", "httpx", "httpx2", "json", "pydantic", "pydantic_core", "ssl"}
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended."""

    text: str = ""
    finish_reason: str | None = None
    error: str | None = None
    module: str = ""
    message: str = ""
    version: str = ""
    deliveries: int = 0
    waits: bool = False

    def __str__(self) -> str:
        if self.waits:
            return f"no end in {GIVE_UP:g} s, {_requests(self.deliveries)}"
        if self.error:
            library = self.module.partition(".")[0].replace("builtins", "")
            return f"raw `{library}.{self.error}`".replace("`.", "`") if self.is_raw else f"`{self.error}`"
        if self.text == "Hello":
            return f"answered, {_requests(self.deliveries)}"
        reason = f", finish reason {self.finish_reason!r}" if self.finish_reason else ""
        return ("ends as if well, half the text" if self.text else "ends as if well, empty") + reason

    @property
    def is_raw(self) -> bool:
        return self.module.partition(".")[0] in _RAW


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"


def _fails(ending: Ending) -> bool:
    return ending.error is not None and not ending.is_raw


def _answers_after(requests: int) -> Callable[[Ending], bool]:
    return lambda ending: (ending.text, ending.deliveries) == ("Hello", requests)


@dataclass(frozen=True, slots=True)
class Fault:
    """What a server does, and what a caller needs to learn of it."""

    name: str
    scripts: Sequence[Script]
    is_right: Callable[[Ending], bool] = _fails
    show: Callable[[Ending], str] = str
    stream: bool = True
    patience: float = 0.0
    """Seconds that the client is told to wait at most; 0 leaves it its defaults."""


def _chunk(text: str = "", finish_reason: str | None = None, **more: Any) -> bytes:
    """Return a chunk with every field that OpenRouter's schema demands: a client may check it."""
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": text},
        "finish_reason": finish_reason,
        "native_finish_reason": finish_reason,
        "logprobs": None,
    }
    return event({**_HEAD, "object": "chat.completion.chunk", "choices": [choice], **more})


def _stream(*pieces: bytes) -> list[Script]:
    return [streamed(_chunk(_SAID), *pieces)]


def _tells_what_came(ending: Ending) -> bool:
    return ending.error is not None and _SAID in ending.message


_STOP: Final = _chunk(finish_reason="stop")
_GOOD: Final = streamed(_chunk("He"), _chunk("llo"), _STOP, _chunk(usage=USAGE), DONE)
_RESET: Final = [STREAM_HEAD, chunked(_chunk(_SAID)), 0.2, "RST"]
_HTML: Final = b"<html><title>Sign in</title>Welcome to the hotel</html>"
_DOWN: Final = {"code": 502, "message": "Provider disconnected"}
NOTHING: Final = Fault("nothing wrong", [_GOOD], _answers_after(1))
"""The control: a client that doesn't read this is called in a wrong way, and what it does with faults says nothing."""
FAULTS: Final = (
    Fault("closed without a finish reason or `[DONE]`", _stream()),
    Fault("closed inside an event", _stream(_chunk("xyz")[:40])),
    Fault(
        "an event that is no JSON",
        _stream(b'data: {"choices": [}\n\n', _STOP, DONE),
    ),
    Fault("bytes that are no UTF-8", _stream(_chunk("??").replace(b"??", b"\xff\xfe"), DONE)),
    Fault("OpenRouter's error chunk", _stream(_chunk(finish_reason="error", error=_DOWN), DONE)),
    Fault(
        "an error chunk whose code is a word",
        _stream(_chunk(finish_reason="error", error={**_DOWN, "code": "server_error"}), DONE),
    ),
    Fault("the connection is reset", [_RESET]),
    Fault("a login page with status 200", [[answer(_HTML, Content_Type="text/html")]]),
    Fault("an error with status 200", [[answer({"error": _DOWN})]]),
    Fault("an empty body with status 200", [[answer(b"")]]),
    Fault(
        "429 and `Retry-After: 1`, then an answer",
        [[answer({"error": {"code": 429, "message": "slow down"}}, 429, Retry_After="1")], _GOOD],
        _answers_after(2),
    ),
    Fault(
        "8 s of silence, then an answer that isn't streamed",
        [[8.0, answer({**COMPLETION, **_HEAD})]],
        _answers_after(1),
        stream=False,
    ),
    Fault(
        f"comments for ever, {PATIENCE:g} s allowed",
        [[STREAM_HEAD, chunked(_chunk(_SAID)), *[chunked(b": OPENROUTER PROCESSING\n\n"), 0.2] * 300]],
        patience=PATIENCE,
    ),
    Fault(
        "what had come before a reset is on the error",
        [_RESET],
        _tells_what_came,
        lambda ending: "yes" if _tells_what_came(ending) else "no",
    ),
)
