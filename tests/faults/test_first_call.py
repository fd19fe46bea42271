"""I9: the first call of a process reads its files, and imports what it needs, in a thread; the event loop goes on meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults.calls import Servers
from tests.wire_bytes import COMPLETION, answer

CHILD = """
import asyncio, sys, threading
from openrouter_opts import OpenRouterClient
from openrouter_opts.http import connections

url, side = sys.argv[1:]
connections.has_aiohttp = lambda: side == "aiohttp"
opened = []
calling = False

def watch(event, given):
    if calling and event == "open" and threading.current_thread() is threading.main_thread():
        opened.append(str(given[0]))

async def main():
    global calling
    # What asyncio itself imports for its first thread and its first look-up is not ours.
    await asyncio.to_thread(len, "")
    client = OpenRouterClient(api_key="k", base_url=url, model="m/x")
    calling = True
    completion = await client.acomplete([{"role": "user", "content": "hi"}])
    calling = False
    print(completion.text, *opened)

sys.addaudithook(watch)
asyncio.run(main())
"""


@pytest.mark.parametrize("side", ["httpx", "aiohttp"])
def test_the_first_call_opens_no_file_in_the_thread_of_the_loop(side: str, scripted: Servers):
    server = scripted([answer(COMPLETION)])
    # In development mode asyncio reads the source of whoever starts a task, to show it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    command = [sys.executable, "-c", CHILD, server.base_url, side]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.split() == ["Hello"]
