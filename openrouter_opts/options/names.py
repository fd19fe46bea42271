"""Which name was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from openrouter_opts.errors import ConfigurationError


def refuse_unknown(given: Iterable[str], known: Collection[str]) -> None:
    """Raise `ConfigurationError` for an argument that doesn't exist; names the nearest."""
    for name in given:
        if name not in known:
            meant = nearest(name, known)
            question = f"did you mean {meant}? " if meant else ""
            raise ConfigurationError(
                f"{name}: there is no such argument; {question}What is newer than this library goes into extra_body"
            )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like this one; `None` if none does."""
    plain = {_plain(candidate): candidate for candidate in known}
    for match in difflib.get_close_matches(_plain(name), plain, n=1):
        return plain[match]
    return None


def alike(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that this one is but for case and separators; `None` if there is none."""
    return {_plain(candidate): candidate for candidate in known}.get(_plain(name))


def slip(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that this one is a typing error of: one edit away, or two if it is long; `None` if there is none."""
    written = _plain(name)
    distances = {candidate: _distance(written, _plain(candidate)) for candidate in known}
    best = min(distances, key=distances.__getitem__, default=None)
    if best is None or distances[best] > (1 if len(best) < 6 else 2):
        return None
    return best


def _plain(name: str) -> str:
    """Without case and separators: `maxTokens` and `max-tokens` mean `max_tokens`."""
    return name.lower().replace("_", "").replace("-", "")


def _distance(left: str, right: str) -> int:
    """How many letters to insert, delete, replace or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, above, row = row, before, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]
