"""Every command, one file each."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="OpenRouter from the command line.")


@app.callback()
def commands() -> None:
    """OpenRouter from the command line."""


@app.command()
def demo(
    model: Annotated[
        str | None, typer.Option(help="One model for every step, instead of one for each framework.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before money is spent.")] = False,
) -> None:
    """Run a chain, a query engine and two agents, and show what each cost.

    Without OPENROUTER_API_KEY it talks to a sandbox on this machine, and costs nothing.
    """
    from openrouter_opts.cli.demo import run  # noqa: PLC0415 - brings both frameworks

    raise typer.Exit(run(model, ask=not yes))
