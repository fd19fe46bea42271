"""The sandbox's tokenizer: pieces of words, the same for every model.

Real tokenizers differ by model; what matters here is that counts are plausible, add up, and agree with what is streamed,
since each piece is one delta.
"""

from __future__ import annotations

import re

# A word of English has about 1.3 tokens; pieces of up to seven letters come near it.
_PIECE = re.compile(r"\s?\w{1,7}|\s?[^\w\s]|\s")


def pieces(text: str) -> list[str]:
    """The tokens of ``text``; joined they are ``text`` again."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """How many tokens ``text`` has."""
    return len(_PIECE.findall(text))
