"""Fuzz what reads the bytes of a server: `python -m tests.fuzz`, with atheris.

Each target takes its turn in a process of its own, since libFuzzer ends the one that it runs in. What was learned is kept in `.fuzz`, and
so is what was found: `python -m tests.fuzz --again FILE --only TARGET` tries it again.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fuzz.seeds import SEEDS

_ROOT: Final = Path(__file__).parents[2]
_KEPT: Final = _ROOT / ".fuzz"
_MAX_BYTES: Final = 16_384
_WHERE: Final = """\
atheris is not installed. It has wheels for Linux on x86_64, Python 3.11 to 3.14, and nothing else; this is {platform}, Python {version}.
`make test` has the same targets with chance alone, without the coverage that guides atheris."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the targets one after another; return how many did something that they must not, and 2 without atheris."""
    asked = _parse(arguments)
    if importlib.util.find_spec("atheris") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        print(_WHERE.format(platform=sys.platform, version=version), file=sys.stderr)  # noqa: T201
        return 2
    chosen = [asked.only] if asked.only else list(SEEDS)
    if asked.again:
        return _run(chosen[0], [str(asked.again)])
    limit = f"-max_total_time={max(1, asked.seconds // len(chosen))}"
    return sum(_run(name, [limit, *_corpus(name)]) != 0 for name in chosen)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--only", choices=list(SEEDS), help="one target")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only try FILE, on the target of --only")
    asked = parser.parse_args(arguments)
    if asked.again and not asked.only:
        parser.error("--again needs --only, the target that found it")
    return asked


def _corpus(name: str) -> list[str]:
    learned, seeds = _KEPT / name, _KEPT / f"{name}-seeds"
    learned.mkdir(parents=True, exist_ok=True)
    seeds.mkdir(exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (seeds / f"{number}").write_bytes(seed)
    return [str(learned), str(seeds)]


def _run(name: str, arguments: list[str]) -> int:
    settings = [f"-max_len={_MAX_BYTES}", "-timeout=10", f"-artifact_prefix={_KEPT}/found-{name}-"]
    command = [sys.executable, "-m", "tests.fuzz.guided", name, *settings, "-print_final_stats=1", *arguments]
    return subprocess.run(command, cwd=_ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
