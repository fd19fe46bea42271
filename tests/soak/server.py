"""The server of a soak, in a process of its own: each request says how it is to be answered."""

from __future__ import annotations

import sys

from tests.scripted_server import ScriptedServer
from tests.soak.plans import script_for

if __name__ == "__main__":
    with ScriptedServer([], choose=script_for) as server:
        print(server.port, flush=True)  # noqa: T201 - how the parent learns the port
        # The parent holds the other end: when it goes away, however it does, so does this process.
        sys.stdin.read()
