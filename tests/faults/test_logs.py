"""J3: what our own logger says of a call, at DEBUG."""

from __future__ import annotations

import logging
import re

import pytest

from openrouter_opts.errors import ConnectionLost
from openrouter_opts.http.logs import LOGGER
from tests.faults.aftermath import HI, KEY, both_kinds, ending, failure
from tests.faults.calls import Callers, Servers
from tests.wire_bytes import COMPLETION, STREAM, answer, streamed

BUSY = [answer({"error": {"code": 503}}, 503, Retry_After="0", CF_Ray="ray-1")]
PROMPT = [{"role": "user", "content": "nobody logs what is asked"}]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what our logger says, without the seconds."""
    ours = [record.getMessage() for record in caplog.records if record.name == LOGGER.name]
    return [re.sub(r"\d+\.\d{3} s", "… s", line) for line in ours]


@both_kinds
def test_each_attempt_is_logged_with_its_ids(
    stream: bool, scripted: Servers, caller: Callers, caplog: pytest.LogCaptureFixture
):
    server = scripted(BUSY, streamed(STREAM) if stream else [answer(COMPLETION)])
    assert ending(caller(server), stream=stream) is None
    assert said(caplog) == [
        "POST /chat/completions, attempt 1: status 503 after … s, generation gen-1, request ray-1",
        "POST /chat/completions, attempt 1: NoProvider after … s, generation gen-1, request ray-1",
        "POST /chat/completions, attempt 2: status 200 after … s, generation gen-1, request None",
        "POST /chat/completions, attempt 2: Completion after … s, generation gen-1, request None",
    ]


def test_an_attempt_without_an_answer_is_logged_too(
    scripted: Servers, caller: Callers, caplog: pytest.LogCaptureFixture
):
    failure(caller(scripted(["RST"])), ConnectionLost)
    assert said(caplog) == [
        "POST /chat/completions, attempt 1: ConnectionLost after … s, generation None, request None"
    ]


def test_no_query_is_logged(scripted: Servers, caller: Callers, caplog: pytest.LogCaptureFixture):
    caller(scripted([answer({"data": {"id": "gen-secret"}})])).generation("gen-secret")
    assert said(caplog)[0].startswith("GET /generation, attempt 1: status 200 ")
    assert "gen-secret" not in "".join(said(caplog))


def test_what_is_logged_holds_no_key_and_nothing_that_was_said(
    scripted: Servers, caller: Callers, caplog: pytest.LogCaptureFixture
):
    echo = {"error": {"code": 401, "message": f"bad key {KEY}"}}
    made = caller(scripted([answer(echo, 401, X_Generation_Id=KEY, X_Request_Id=KEY)]), api_key=KEY)
    with pytest.raises(Exception, match="bad key"):
        made.complete(PROMPT)
    ours = [vars(record) for record in caplog.records if record.name == LOGGER.name]
    assert len(ours) == 2
    assert KEY not in f"{ours}"
    assert PROMPT[0]["content"] not in f"{ours}"


def test_nothing_is_logged_where_nobody_listens(
    scripted: Servers, caller: Callers, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, LOGGER.name)
    caller(scripted([answer(COMPLETION)])).complete(HI)
    assert said(caplog) == []
