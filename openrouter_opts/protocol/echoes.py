"""What servers say of what they were sent, without the keys in it: some echo all of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from openrouter_opts.http.secret import strike_out
from openrouter_opts.protocol.surrogates import mended

MAX_TEXT: Final = 2_000
_ANY_KEY: Final = re.compile(r"sk-or-[\w-]+|(?<=Bearer )[\w.~+/-]+=*")
_STRUCK_OUT: Final = "sk-or-…"


def scrub(text: str) -> str:
    """Strike out whatever looks like a key, and cut the text at 2 kB. Half a character is U+FFFD."""
    text = _keyless(mended(text))
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def keyless(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers of a response, without the keys that a server echoes in them."""
    text = "\n".join(headers.values())
    return headers if _keyless(text) == text else {name: _keyless(value) for name, value in headers.items()}


def without_keys(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object without the keys that a server echoes in it."""
    text = json.dumps(said)
    clean = _keyless(text)
    return said if clean == text else json.loads(clean)


def _keyless(text: str) -> str:
    return _ANY_KEY.sub(_STRUCK_OUT, strike_out(text))
