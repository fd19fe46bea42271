"""One target under atheris, in the process that libFuzzer ends: `python -m tests.fuzz.guided TARGET ARGUMENTS-OF-LIBFUZZER`."""

from __future__ import annotations

import sys
from random import Random

import atheris

from tests.fuzz.deform import deformed

with atheris.instrument_imports(include=["openrouter_opts.protocol", "openrouter_opts.http"]):
    from tests.fuzz.targets import TARGETS


def changed(data: bytes, max_size: int, seed: int) -> bytes:
    """Change the bytes as libFuzzer does, or what they mean."""
    chance = Random(seed)
    if chance.random() < 0.5:
        return atheris.Mutate(data, max_size)
    return deformed(data, chance)[:max_size]


def main(name: str, arguments: list[str]) -> None:
    """Run until libFuzzer has enough."""
    target = TARGETS[name]
    atheris.Setup([f"fuzz {name}", *arguments], lambda data: target(data), custom_mutator=changed)  # noqa: PLW0108
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
