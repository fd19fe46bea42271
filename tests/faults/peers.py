"""The same faults, played to this package and to the other ways to OpenRouter: `python -m tests.faults.peers`.

Each client is installed from the package index into an environment of its own, in the versions of `peer_environments`, and is called with
its own defaults. The table goes into `docs/reliability.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import platformdirs

from tests.faults.peer_call import CLIENTS
from tests.faults.peer_faults import FAULTS, GIVE_UP, NOTHING, Ending, Fault
from tests.scripted_server import ScriptedServer

_HERE: Final = Path(__file__).parent
_ROOT: Final = Path(__file__).parents[2]
_PAGE: Final = _ROOT / "docs" / "reliability.md"
_BEGIN: Final = "<!-- made by `make peers` -->\n"
_END: Final = "<!-- until here -->\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play every fault to every client, and write the table; return 1 if this package gets one wrong."""
    asked = _parse(arguments)
    endings: dict[str, list[Ending]] = {}
    for name in CLIENTS:
        python = environment(name, asked.folder)
        control = played(NOTHING, name, python)
        if not NOTHING.is_right(control):
            sys.exit(f"{name} reads no good stream: {control} {control.message}")
        endings[name] = [played(fault, name, python) for fault in FAULTS]
        print(f"{name}: {right(endings[name])} of {len(FAULTS)}", flush=True)  # noqa: T201
    made = table(endings)
    print(made)  # noqa: T201
    if asked.write:
        _PAGE.write_text(with_table(_PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    ours = [given for name, given in endings.items() if name.startswith("openrouter-opts")]
    return int(any(right(given) < len(FAULTS) for given in ours))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.peers", description=__doc__)
    cache = platformdirs.user_cache_path("openrouter-opts") / "peers"
    parser.add_argument("--folder", type=Path, default=cache, help="for the environments")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    return parser.parse_args(arguments)


def environment(name: str, folder: Path) -> Path:
    """Return the Python of a client's environment, having installed what is asked of it."""
    package = name.partition("[")[0]
    home = folder / re.sub(r"\W+", "-", name).strip("-")
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if package == "openrouter-opts":
        source = f"{_ROOT}{name.removeprefix(package)}"
        subprocess.run([*pip, "--constraint", str(_ROOT / "constraints.txt"), source], check=True)
        # What has been installed before may have been older code of the same version.
        subprocess.run([*pip, "--force-reinstall", "--no-deps", str(_ROOT)], check=True)
    else:
        subprocess.run([*pip, "--requirement", str(_HERE / "peer_environments" / f"{name}.txt")], check=True)
    return python


def played(fault: Fault, name: str, python: Path) -> Ending:
    """Return how the call of a client ends when a fault is played to it."""
    with ScriptedServer(fault.scripts) as server:
        kind = "stream" if fault.stream else "whole"
        # Isolated, so that what it calls is what is installed there, and not the code around this file.
        command = [
            str(python),
            "-I",
            str(_HERE / "peer_call.py"),
            name,
            server.base_url,
            kind,
            str(fault.patience),
        ]
        try:
            done = subprocess.run(
                command, env=_clean(), capture_output=True, timeout=GIVE_UP, check=True, text=True
            )
        except subprocess.TimeoutExpired:
            return Ending(waits=True, deliveries=len(server.deliveries))
        return Ending(**json.loads(done.stdout), deliveries=len(server.deliveries))


def _clean() -> dict[str, str]:
    """Return the environment without what leads a client elsewhere: keys, addresses, proxies, tracers."""
    others = re.compile(r"OPENROUTER_|OPENAI_|LANGCHAIN_|LANGSMITH_|.*_proxy$", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not others.match(name)}


def right(endings: Sequence[Ending]) -> int:
    """Count the faults of which a caller learns what is needed."""
    return sum(fault.is_right(ending) for fault, ending in zip(FAULTS, endings, strict=True))


def table(endings: dict[str, list[Ending]]) -> str:
    """Return the table in Markdown; what a caller needs is marked."""
    versions = {
        name: next(ending.version for ending in given if ending.version) for name, given in endings.items()
    }
    rows = [
        ["fault", *(f"{name} {version}" for name, version in versions.items())],
        ["---"] * (len(endings) + 1),
    ]
    for number, fault in enumerate(FAULTS):
        cells = [given[number] for given in endings.values()]
        rows.append(
            [fault.name, *(("✓ " if fault.is_right(cell) else "✗ ") + fault.show(cell) for cell in cells)]
        )
    total = [f"**{right(given)} of {len(FAULTS)}**" for given in endings.values()]
    lines = [f"| {' | '.join(row)} |" for row in [*rows, ["**what a caller needs**", *total]]]
    return "\n".join([*lines, "", _measured()])


def _measured() -> str:
    today = datetime.now(UTC).strftime("%d %B %Y").lstrip("0")
    cores, system = os.cpu_count(), f"{platform.system()} {platform.machine()}"
    return f"Measured on {today}: Python {platform.python_version()}, {system}, {cores} cores.\n"


def with_table(page: str, made: str) -> str:
    """Return the page with the table in its place."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{made}\n{_END}{after}"


if __name__ == "__main__":
    sys.exit(main())
