"""The API key: where it comes from, and how it stays out of sight."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, TypeAlias, runtime_checkable

from openrouter_opts.errors import ConfigurationError

ENV_KEY = "OPENROUTER_API_KEY"
_revealed: dict[str, None] = {}
_REMEDY = f"set `{ENV_KEY}` or pass `api_key`; keys are made at https://openrouter.ai/settings/keys"


@runtime_checkable
class HasSecretValue(Protocol):
    """What pydantic's `SecretStr` looks like."""

    def get_secret_value(self) -> str:
        """Return the secret itself."""
        ...


KeySource: TypeAlias = str | HasSecretValue | Callable[[], str] | None


def in_use(key: str) -> str:
    """Return a key that goes out now, so that `strike_out` knows it; the last thousand are known."""
    if key not in _revealed:
        _revealed[key] = None
        for old in tuple(_revealed)[:-1000]:
            _revealed.pop(old, None)
    return key


def strike_out(text: str) -> str:
    """Strike the keys that were in use out of a text: servers echo what they were sent."""
    for key in tuple(_revealed):
        # A shorter one is no key but a placeholder, and stands in many words.
        if len(key) >= 8:
            text = text.replace(key, "…")
            if "\\" in text:
                text = _as_json_may_write(key).sub("…", text)
    return text


@lru_cache(1000)
def _as_json_may_write(key: str) -> re.Pattern[str]:
    """Return a pattern for a key in JSON text, in which any character may be escaped: by a backslash, or as a number."""
    return re.compile("".join(rf"(?:\\?{re.escape(each)}|\\u(?i:{ord(each):04x}))" for each in key))


def _problem(key: object) -> str | None:
    """Say why something is no key that could be sent."""
    if not key:
        return f"there is no API key: {_REMEDY}"
    if inspect.iscoroutine(key):
        key.close()
    if not isinstance(key, str):
        return f"the API key is a {type(key).__name__}, not a string: {_REMEDY}"
    # Named by its place: the character could be part of the key.
    wrong = next((place for place, character in enumerate(key) if not "!" <= character <= "~"), None)
    if wrong is None:
        return None
    kind = "a line break" if key[wrong] in "\r\n" else "white space" if key[wrong].isspace() else "no ASCII"
    return (
        f"character {wrong + 1} of the API key is {kind}, which cannot be in a header; "
        f"look at `{ENV_KEY}` or `api_key`, wherever it comes from"
    )


class Secret:
    """An API key that no `repr`, log or pickle shows.

    Made from a string, a `SecretStr`, a callable that is asked before every request (for keys that rotate), or `None` for the
    environment variable `OPENROUTER_API_KEY`, read when it is needed. A pickled secret is empty: where it is unpickled, the key
    comes from the environment again.
    """

    __slots__ = ("_source",)

    def __init__(self, source: KeySource | Secret = None) -> None:
        # Asking a secret is asking its source, so wrapping one twice is harmless.
        self._source: KeySource = source.reveal if isinstance(source, Secret) else source

    @property
    def is_given(self) -> bool:
        """Whether it was given, and does not come from the environment."""
        return self._source is not None

    def reveal(self) -> str:
        """Return the key, stripped of white space around it; raises `ConfigurationError` if there is none or it cannot be a header."""
        key = self._read()
        key = key.strip() if isinstance(key, str) else key
        if problem := _problem(key):
            # A traceback may show the locals of every frame, and what is nearly a key shows the key.
            del key
            raise ConfigurationError(problem)
        assert isinstance(key, str)
        return in_use(key)

    def _read(self) -> object:
        source = self._source
        if source is None:
            return os.environ.get(ENV_KEY)
        if isinstance(source, str):
            return source
        if isinstance(source, HasSecretValue):
            return source.get_secret_value()
        try:
            return source()
        except Exception as problem:  # noqa: BLE001 - it is the user's code, and may raise anything
            # The callable's message may hold what it fetched; its type is enough.
            raise ConfigurationError(
                f"the callable given as `api_key` raised {type(problem).__name__}"
            ) from None

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._source == self._source

    def __hash__(self) -> int:
        return hash(self._source)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce__(self) -> tuple[type[Secret], tuple[()]]:
        return Secret, ()
