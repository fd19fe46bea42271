"""A19, I9: what is large keeps no event loop waiting, and takes little more memory than it has to."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Final

import pytest

from tests.faults.calls import Servers
from tests.faults.large_calls import BLOCKED, SIZE, WAYS, Ask
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, answer

ROOT: Final = Path(__file__).parents[2]


def forgetting(server: ScriptedServer) -> ScriptedServer:
    """Let the server keep no bodies."""
    server.choose = lambda _: server.deliveries.clear() or [answer(COMPLETION)]
    return server


@pytest.mark.measured
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.wrong_on_purpose
def test_a_large_image_keeps_no_loop_waiting(way: str, scripted: Servers, over_both: str):
    server = forgetting(scripted([answer(COMPLETION)]))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    command = [sys.executable, "-m", "tests.faults.large_calls", way, server.base_url, over_both]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert float(ran.stdout) < BLOCKED


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.wrong_on_purpose
def test_a_large_image_takes_little_more_memory_than_it(way: str, scripted: Servers, over_both: str):
    server = forgetting(scripted([answer(COMPLETION)]))

    async def peak(ask: Ask) -> int:
        tracemalloc.start()
        try:
            await ask()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # The server's own copy is among it.
    assert asyncio.run(peak(WAYS[way](server.base_url))) - SIZE < 2.5 * SIZE
