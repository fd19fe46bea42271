"""`openrouter-opts demo`: both frameworks at work, streaming, and the bill.

With a key the demo cannot cost more than it says: every call has a `max_tokens` and a `max_price`, prompts are short, and agents may
take only so many turns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from openrouter_opts.catalog import Catalog
from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http.secret import ENV_KEY
from openrouter_opts.http.settings import BASE_URL, ENV_BASE_URL
from openrouter_opts.money.record import Record
from openrouter_opts.money.tracking import Spend, track_costs
from openrouter_opts.sandbox import Sandbox

MAX_TOKENS: Final = 1_000
MAX_PROMPT_TOKENS: Final = 4_000
# USD per million tokens; OpenRouter leaves out the endpoints that are dearer.
MAX_PRICE: Final = {"prompt": 1.5, "completion": 6}


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the demo."""

    title: str
    framework: str
    model: str
    calls: int
    """How many calls it makes at most."""
    play: Callable[[Any, Console], None]


def run(model: str | None, *, ask: bool) -> int:
    """Run the demo; return the exit status."""
    console = Console(highlight=False)
    try:
        from openrouter_opts.cli import demo_langchain, demo_llamaindex  # noqa: PLC0415 - extras
    except ModuleNotFoundError as missing:
        console.print(
            f"The demo shows both frameworks; {missing.name} is missing: pip install 'openrouter-opts\\[all]'"
        )
        return 1
    frameworks = {"LangChain": demo_langchain, "LlamaIndex": demo_llamaindex}
    steps = [Step(*step) for module in frameworks.values() for step in module.STEPS]
    with _server(console) as server:
        try:
            models = [
                frameworks[step.framework].model(model or step.model, server, _limits()) for step in steps
            ]
        except OpenRouterError as error:
            return _failed(error, console)
        if not server and not (_affordable(model, console) and _agreed(console, steps, ask=ask)):
            return 1
        return _play(list(zip(steps, models, strict=True)), console)


@contextmanager
def _server(console: Console) -> Iterator[dict[str, Any]]:
    """Give what leads to the server: nothing for OpenRouter, if there is a key, and else a sandbox for the time being."""
    if os.environ.get(ENV_KEY):
        yield {}
        return
    console.print(f"There is no {ENV_KEY}, so a sandbox on this machine answers. It is free.\n")
    with Sandbox() as sandbox:
        yield {"api_key": sandbox.api_key, "base_url": sandbox.base_url}


def _limits() -> dict[str, Any]:
    return {"max_tokens": MAX_TOKENS, "provider": {"max_price": MAX_PRICE}}


def at_most(calls: int) -> Decimal:
    """Return what `calls` calls can cost, in USD."""
    millionth = Decimal("1e-6")
    prompt = MAX_PROMPT_TOKENS * Decimal(str(MAX_PRICE["prompt"]))
    completion = MAX_TOKENS * Decimal(str(MAX_PRICE["completion"]))
    return calls * (prompt + completion) * millionth


def _affordable(model: str | None, console: Console) -> bool:
    """Tell whether the chosen model is cheap enough for what the demo promises."""
    facts = Catalog.bundled().get(model) if model else None
    for kind, limit in MAX_PRICE.items():
        price = facts.price(kind) if facts else None
        if price is not None and price * 1_000_000 > Decimal(str(limit)):
            console.print(
                f"{model} costs ${price * 1_000_000:f} per million {kind} tokens; the demo stops at ${limit}."
            )
            return False
    return True


def _agreed(console: Console, steps: list[Step], *, ask: bool) -> bool:
    calls = sum(step.calls for step in steps)
    host = urlsplit(os.environ.get(ENV_BASE_URL) or BASE_URL).netloc
    console.print(
        f"This talks to {host} with your key: at most {calls} calls, and at most ${at_most(calls):.2f}."
    )
    if not ask:
        return True
    try:
        return console.input("Go on? \\[y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        console.print("There is nobody to answer; --yes goes on without asking.")
        return False


def _play(parts: list[tuple[Step, Any]], console: Console) -> int:
    bills: list[tuple[Step, Spend]] = []
    try:
        for number, (step, model) in enumerate(parts, 1):
            console.rule(f"[bold]{number}. {step.framework}: {step.title}", align="left")
            with track_costs() as spend:
                bills.append((step, spend))
                step.play(model, console)
            console.print()
    except OpenRouterError as error:
        return _failed(error, console)
    finally:
        console.print(_bill(bills))
    return 0


def _failed(error: OpenRouterError, console: Console) -> int:
    console.print(f"\n{type(error).__name__}: {error}", style="red", markup=False)
    return 1


def _bill(bills: list[tuple[Step, Spend]]) -> Table:
    table = Table(title="What it cost", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("step", "model", "provider"):
        table.add_column(heading, overflow="fold")
    for heading in ("calls", "in", "out", "USD"):
        # A figure that is cut is a wrong one.
        table.add_column(heading, justify="right", no_wrap=True, min_width=10 if heading == "USD" else 5)
    for number, (step, spend) in enumerate(bills, 1):
        for (model, provider), records in _grouped(spend.records).items():
            table.add_row(f"{number} {step.title}", model, provider, *_sums(records))
    table.add_section()
    table.add_row(
        "all", "", "", *_sums([record for _, spend in bills for record in spend.records]), style="bold"
    )
    return table


def _grouped(records: tuple[Record, ...]) -> dict[tuple[str, str], list[Record]]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.model or "?", record.provider or "?"), []).append(record)
    return groups


def _sums(records: list[Record]) -> tuple[str, str, str, str]:
    spend = Spend()
    for record in records:
        spend.add(record)
    unknown = " + ?" if spend.unknown else ""
    cost = f"{spend.total:f}{unknown}"
    return str(len(records)), f"{spend.prompt_tokens:,}", f"{spend.completion_tokens:,}", cost
