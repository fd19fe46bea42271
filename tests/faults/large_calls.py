"""Calls with a large image, and how long they keep their event loop: `python -m tests.faults.large_calls WAY ADDRESS SIDE`.

A process of its own measures nothing else: not the server, not what thousands of tests before it have left, not asyncio's development mode.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

from langchain_core.messages import HumanMessage
from llama_index.core.llms import ChatMessage, ImageBlock

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import Catalog, OpenRouterClient, SpendLimit
from openrouter_opts.http import connections

SIZE: Final = 48 * 1024 * 1024
BLOCKED: Final = 0.05
"""The longest that anything else in the loop may wait, in seconds."""
_TRIES: Final = 10
_KEY: Final = "k"
_PNG: Final = b"\x89PNG\r\n\x1a\n" + b"A" * (SIZE * 3 // 4)
_URL: Final = "data:image/png;base64," + "A" * SIZE

Ask = Callable[[], Awaitable[object]]


def from_client(base_url: str) -> Ask:
    client = OpenRouterClient(api_key=_KEY, base_url=base_url, model="m/x")
    image = {"type": "image_url", "image_url": {"url": _URL}}
    return lambda: client.acomplete([{"role": "user", "content": [image]}])


def from_client_with_a_limit(base_url: str) -> Ask:
    """The request is made to fit what is left, and so is written anew."""
    client = OpenRouterClient(
        api_key=_KEY,
        base_url=base_url,
        model="openai/gpt-5-mini",
        catalog=Catalog.bundled(),
        spend_limit=SpendLimit("0.10", on_limit="fit"),
    )
    image = {"type": "image_url", "image_url": {"url": _URL}}
    return lambda: client.acomplete([{"role": "user", "content": [image]}])


def from_langchain(base_url: str) -> Ask:
    chat = ChatOpenRouter(api_key=_KEY, base_url=base_url, model="m/x")
    message = HumanMessage([{"type": "image_url", "image_url": {"url": _URL}}])
    return lambda: chat.ainvoke([message])


def from_langchain_as_bytes(base_url: str) -> Ask:
    chat = ChatOpenRouter(api_key=_KEY, base_url=base_url, model="m/x")
    message = HumanMessage([{"type": "image", "data": b"A" * (SIZE * 3 // 4), "mime_type": "image/png"}])
    return lambda: chat.ainvoke([message])


def from_llamaindex(base_url: str) -> Ask:
    llm = OpenRouter(api_key=_KEY, api_base=base_url, model="m/x")
    message = ChatMessage(role="user", blocks=[ImageBlock(image=_PNG)])
    return lambda: llm.achat([message])


WAYS: Final[dict[str, Callable[[str], Ask]]] = {
    "client": from_client,
    "client with a limit": from_client_with_a_limit,
    "LangChain": from_langchain,
    "LangChain, bytes": from_langchain_as_bytes,
    "LlamaIndex, bytes": from_llamaindex,
}


async def longest_wait(ask: Ask) -> float:
    """Return how long a task that only wants to go on had to wait at most, while a call was made.

    Counted is the time in which this process was at work, in any of its threads: other processes may keep it waiting as they like.
    """
    waits: list[float] = []

    async def tick() -> None:
        while True:
            before = time.perf_counter(), time.process_time()
            await asyncio.sleep(0.001)
            waits.append(min(time.perf_counter() - before[0], time.process_time() - before[1]))

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.01)
    await ask()
    # What held the loop up to the end of the call is noticed after it.
    await asyncio.sleep(0.01)
    ticking.cancel()
    return max(waits)


async def shortest(ask: Ask) -> float:
    """Return the least of some tries: what else runs on the machine only adds to it."""
    await ask()
    gc.disable()
    least = float("inf")
    for _ in range(_TRIES):
        least = min(least, await longest_wait(ask))
        if least < BLOCKED:
            break
    return least


if __name__ == "__main__":
    way, address, side = sys.argv[1:]
    connections.has_aiohttp = lambda: side == "aiohttp"
    sys.stdout.write(str(asyncio.run(shortest(WAYS[way](address)))))
