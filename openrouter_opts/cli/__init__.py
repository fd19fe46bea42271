"""The command `openrouter-opts`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; says which extra is missing, if one is."""
    try:
        from openrouter_opts.cli.app import app  # noqa: PLC0415 - typer and rich are an extra
    except ModuleNotFoundError as missing:
        if missing.name not in {"typer", "rich"}:
            raise
        sys.exit("the command line needs an extra: pip install 'openrouter-opts[cli]'")
    app()
