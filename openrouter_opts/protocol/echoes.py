"""What servers say of what they were sent, without the keys in it: some echo all of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from openrouter_opts.http.secret import strike_out
from openrouter_opts.protocol.surrogates import mended

MAX_TEXT: Final = 2_000
_MOST_LOOKED_AT: Final = 64 * 1024
"""As much as is read of an error's body, and far more than is shown; to look through all of a broken answer might take seconds."""
_ANY_KEY: Final = re.compile(r"sk-or-[\w-]+|(?<=Bearer )[\w.~+/-]+=*")
_STRUCK_OUT: Final = "sk-or-…"
# The texts and whole numbers of JSON.
_VALUE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\d.+-])\d+(?![\d.e])')


def scrub(text: str, longest: int = MAX_TEXT) -> str:
    """Strike out whatever looks like a key, and then cut the text: half a key would be none, and stay. Half a character is U+FFFD."""
    text = _keyless(mended(text[:_MOST_LOOKED_AT]))
    return text if len(text) <= longest else text[:longest] + "…"


def keyless(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers of a response, without the keys that a server echoes in them."""
    text = "\n".join(headers.values())
    return headers if _keyless(text) == text else {name: _keyless(value) for name, value in headers.items()}


def without_keys(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object without the keys that a server echoes in it: in its names and texts, or as a number that is the key."""
    text = json.dumps(said)
    clean = _VALUE.sub(_struck_out, text)
    return said if clean == text else json.loads(clean)


def _struck_out(value: re.Match[str]) -> str:
    text = value[0]
    if text.startswith('"'):
        return json.dumps(_keyless(json.loads(text)))
    # A number that only has the digits of a short key among its own is the time of a reset, or a count.
    return '"…"' if strike_out(text) == "…" else text


def _keyless(text: str) -> str:
    return _ANY_KEY.sub(_STRUCK_OUT, strike_out(text))
