"""A sandbox that was told to misbehave."""

from __future__ import annotations

import http.client
import json
import socket
import time
from urllib.parse import urlsplit

import pytest

CLAUDE = "anthropic/claude-sonnet-4.6"


def test_the_next_requests_fail_and_then_all_is_well(sandbox, call):
    sandbox.fail_next(429, retry_after=1, times=2)
    for _ in range(2):
        reply = call.chat()
        assert reply.status == reply.error["code"] == 429
        assert reply.headers["retry-after"] == "1"
        assert reply.error["metadata"]["error_type"] == "rate_limit_exceeded"
        assert reply.error["metadata"]["provider_name"]
    assert call.chat().status == 200
    assert len(sandbox.requests) == 3


def test_a_failed_call_costs_nothing(sandbox, call):
    sandbox.fail_next(500)
    call.chat()
    assert sandbox.credits_used == 0
    assert sandbox.generations == {}


def test_a_failure_can_say_anything(sandbox, call):
    sandbox.fail_next(403, message="No.", error_type="content_policy_violation", headers={"X-Why": "because"})
    reply = call.chat()
    assert (reply.error["message"], reply.headers["x-why"]) == ("No.", "because")
    assert reply.error["metadata"] == {"error_type": "content_policy_violation"}
    sandbox.fail_next(524, body="<html>")
    gateway = call.chat()
    assert (gateway.status, gateway.raw, gateway.headers["content-type"]) == (524, b"<html>", "text/html")
    sandbox.fail_next(200, body={"error": {"code": 502, "message": "late"}})
    assert call.chat().json == {"error": {"code": 502, "message": "late"}}
    sandbox.fail_next(503, body=b"")
    assert call.chat().raw == b""


def test_a_failure_can_be_kept_for_one_path(sandbox, call):
    sandbox.fail_next(500, path="/models")
    assert call.chat().status == 200
    assert call.get("/models").status == 500
    assert call.get("/models").status == 200


def test_an_error_chunk_ends_a_stream_after_some_deltas(sandbox, call):
    sandbox.error_after(deltas=3, code=429, message="Slow down")
    reply = call.stream(model=CLAUDE)
    *said, last = reply.chunks
    assert reply.status == 200
    assert len(said) == 3
    assert last["error"]["code"] == 429
    assert last["error"]["message"] == "Slow down"
    assert last["error"]["metadata"]["error_type"] == "rate_limit_exceeded"
    assert last["choices"][0]["finish_reason"] == "error"
    assert not any("usage" in chunk for chunk in reply.chunks)
    (record,) = sandbox.generations.values()
    assert (record.cost, record.finish_reason, record.cancelled) == (0, "error", False)
    assert call.stream(model=CLAUDE).chunks[-1]["usage"]


def test_an_error_may_be_the_first_and_only_event(sandbox, call):
    sandbox.error_after(deltas=0, code="server_error")
    (only,) = call.stream().chunks
    assert only["error"]["code"] == "server_error"


def test_an_error_comes_before_the_finish_reason_at_the_latest(sandbox, call):
    sandbox.error_after(deltas=1000)
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in call.stream().chunks]
    assert reasons[-1] == "error"
    assert set(reasons[:-1]) == {None}


def test_an_answer_that_is_not_streamed_carries_the_error(sandbox, call):
    sandbox.error_after(deltas=2)
    (choice,) = call.chat("What is 12 * 7?").json["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("error", "12 *")
    assert choice["error"]["code"] == 502
    sandbox.error_after(deltas=0)
    reply = call.chat()
    assert reply.status == 200
    assert set(reply.json) == {"id", "error"}
    assert sandbox.credits_used == 0


def test_a_stream_is_cut_after_some_deltas_and_billed_for_them(sandbox, call):
    sandbox.cut_after(deltas=3)
    with pytest.raises(http.client.IncompleteRead) as caught:
        call.stream("Tell me about the sea", model=CLAUDE)
    events = caught.value.partial.decode().split("\n\n")
    assert len([event for event in events if event.startswith("data: ")]) == 3
    assert "[DONE]" not in events
    (record,) = sandbox.generations.values()
    assert (record.cancelled, record.finish_reason) == (True, None)
    assert record.usage["completion_tokens"] == 3
    prompt = record.usage["prompt_tokens"]
    assert sandbox.credits_used == record.cost
    assert record.cost * 1_000_000 == prompt * 3 + 3 * 15
    assert record.usage["total_tokens"] == prompt + 3


def test_some_providers_bill_in_full_all_the_same(sandbox, call):
    body = {"model": CLAUDE, "provider": {"order": ["amazon-bedrock"]}}
    full = call.stream(**body).chunks[-1]["usage"]["completion_tokens"]
    sandbox.cut_after(deltas=1)
    with pytest.raises(http.client.IncompleteRead):
        call.stream(**body)
    assert list(sandbox.generations.values())[-1].usage["completion_tokens"] == full


@pytest.mark.parametrize("stream", [True, False])
def test_a_connection_is_cut_before_the_headers(sandbox, call, stream):
    sandbox.cut_after(deltas=0)
    with pytest.raises(http.client.RemoteDisconnected):
        call.chat(stream=stream)
    assert call.chat(stream=stream).status == 200


def test_a_whole_answer_is_cut_in_the_middle_and_billed_in_full(sandbox, call):
    full = call.chat().json["usage"]["cost"]
    sandbox.cut_after(deltas=1)
    with pytest.raises(http.client.IncompleteRead):
        call.chat()
    assert float(sandbox.credits_used) == pytest.approx(2 * full)


def test_a_client_that_goes_away_pays_for_what_it_got(sandbox):
    sandbox.delay_next(between=0.02)
    body = {
        "model": CLAUDE,
        "stream": True,
        "messages": [{"role": "user", "content": "Tell me about the sea"}],
    }
    connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=5)
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    connection.request("POST", "/api/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    while not response.readline().startswith(b"data: "):
        pass
    response.close()
    connection.close()
    deadline = time.monotonic() + 5
    while not sandbox.generations and time.monotonic() < deadline:
        time.sleep(0.005)
    (record,) = sandbox.generations.values()
    assert record.cancelled
    assert 1 <= record.usage["completion_tokens"] <= 5


def test_the_first_byte_is_late(sandbox, call):
    sandbox.delay_next(first_byte=0.1)
    began = time.monotonic()
    assert call.chat().status == 200
    assert time.monotonic() - began >= 0.1
    began = time.monotonic()
    call.chat()
    assert time.monotonic() - began < 0.1


def test_a_slow_stream_is_silent_unless_comments_are_wanted(sandbox, call):
    sandbox.delay_next(between=0.02)
    began = time.monotonic()
    silent = call.stream("What is 12 * 7?")
    assert time.monotonic() - began >= 5 * 0.02
    sandbox.delay_next(first_byte=0.06, comment_every=0.02)
    talking = call.stream("What is 12 * 7?")
    assert silent.lines.count(": OPENROUTER PROCESSING") == 1
    assert talking.lines.count(": OPENROUTER PROCESSING") >= 3


def test_a_client_that_stops_waiting_does_not_hold_anything_up(sandbox):
    sandbox.delay_next(first_byte=30)
    address = urlsplit(sandbox.base_url)
    with socket.create_connection((address.hostname, address.port)) as client:
        head = f"POST /api/v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox.api_key}\r\n"
        client.sendall(f'{head}Content-Length: 15\r\n\r\n{{"prompt":"hi"}}'.encode())
        while not sandbox.requests:
            time.sleep(0.001)
    deadline = time.monotonic() + 5
    while not sandbox.generations and time.monotonic() < deadline:
        time.sleep(0.005)
    assert sandbox.generations
