"""Starting, stopping, and looking at what came in."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from openrouter_opts.sandbox import Sandbox


def test_it_listens_on_loopback_at_a_free_port():
    with Sandbox() as one, Sandbox() as other:
        assert one.base_url.startswith("http://127.0.0.1:")
        assert one.base_url.endswith("/api/v1")
        assert one.base_url != other.base_url


def test_the_keys_can_be_chosen(caller):
    with Sandbox(key="sk-or-mine", management_key="sk-or-manager") as sandbox:
        assert (sandbox.api_key, sandbox.management_key) == ("sk-or-mine", "sk-or-manager")
        call = caller(sandbox)
        assert call.chat().status == 200
        assert call.get("/credits", key="sk-or-manager").status == 200


def test_the_two_keys_have_to_differ():
    with pytest.raises(ValueError, match="management_key: is the same as key"):
        Sandbox(key="sk-or-mine", management_key="sk-or-mine")


def test_the_port_can_be_chosen():
    with Sandbox() as sandbox:
        port = urlsplit(sandbox.base_url).port
        with pytest.raises(OSError, match="in use"):
            Sandbox(port=port).start()
    with Sandbox(port=port) as again:
        assert urlsplit(again.base_url).port == port


def test_nothing_listens_and_no_thread_is_left_after_stop():
    before = threading.active_count()
    sandbox = Sandbox().start()
    address = urlsplit(sandbox.base_url).netloc
    sandbox.stop()
    assert threading.active_count() == before
    connection = http.client.HTTPConnection(address, timeout=1)
    with pytest.raises(ConnectionRefusedError):
        connection.connect()


def test_a_stopped_sandbox_says_how_to_start_it_and_can_be_read_and_started_again(caller):
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="with Sandbox"):
        _ = sandbox.base_url
    with sandbox:
        assert caller(sandbox).chat().status == 200
        with pytest.raises(RuntimeError, match="running already"):
            sandbox.start()
    sandbox.stop()
    assert len(sandbox.requests) == 1
    with sandbox:
        assert caller(sandbox).chat().status == 200


def test_stop_does_not_wait_for_clients_that_stay():
    sandbox = Sandbox().start()
    sandbox.delay_next(first_byte=60)
    connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=5)
    body = '{"model":"openai/gpt-5-mini","messages":[{"role":"user","content":"hi"}]}'
    connection.request(
        "POST", "/api/v1/chat/completions", body, {"Authorization": f"Bearer {sandbox.api_key}"}
    )
    while not sandbox.requests:
        time.sleep(0.001)
    began = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - began < 1
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    connection.close()


def test_starting_and_stopping_is_quick_enough_for_each_test_to_have_its_own():
    began = time.perf_counter()
    for _ in range(10):
        with Sandbox():
            pass
    assert (time.perf_counter() - began) / 10 < 0.06


def test_a_kept_alive_connection_is_answered_without_delay(sandbox):
    connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=5)
    began = time.perf_counter()
    for _ in range(20):
        connection.request(
            "POST", "/api/v1/chat/completions", '{"prompt":"hi"}', {"Authorization": "Bearer sk-or-sandbox"}
        )
        connection.getresponse().read()
    connection.close()
    assert time.perf_counter() - began < 20 * 0.03


def test_many_calls_at_once_are_answered_and_booked_exactly(sandbox, call):
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda number: call.chat(f"What is {number} * 2?"), range(64)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["id"] for reply in replies}) == 64
    costs = [Decimal(repr(reply.json["usage"]["cost"])) for reply in replies]
    assert sandbox.credits_used == sum(costs)


async def test_it_can_be_used_from_asynchronous_code(caller):
    with Sandbox() as sandbox:
        reply = await asyncio.to_thread(caller(sandbox).chat)
    assert reply.status == 200


def test_every_request_can_be_looked_at(sandbox, call):
    provider_key = "sk-of-a-provider"
    title = "Größe".encode().decode("latin-1")
    call.chat("hi", headers={"X-OpenRouter-Title": title, "X-Provider-API-Keys": provider_key})
    seen = sandbox.last
    assert (seen.method, seen.path) == ("POST", "/chat/completions")
    assert seen.body["messages"] == [{"role": "user", "content": "hi"}]
    assert seen.raw.startswith(b'{"model"')
    assert seen.headers["x-openrouter-title"] == seen.headers["X-OpenRouter-Title"] == "Größe"
    assert sandbox.api_key not in repr(seen)
    assert provider_key not in repr(seen)
    assert seen.headers["x-provider-api-keys"] == provider_key
    call.get("/models/count?output_modalities=all")
    assert [each.path for each in sandbox.requests] == ["/chat/completions", "/models/count"]
    assert sandbox.last.query == "output_modalities=all"
    assert sandbox.last.body is None


def test_there_is_no_last_request_before_the_first(sandbox):
    with pytest.raises(LookupError, match="no request"):
        _ = sandbox.last


def test_reset_forgets_requests_faults_and_what_was_spent(sandbox, call):
    call.chat()
    sandbox.fail_next(500, times=5)
    sandbox.model_down("openai/gpt-5-mini")
    sandbox.reset()
    assert sandbox.requests == []
    assert sandbox.generations == {}
    assert sandbox.credits_left == Decimal(10)
    assert call.chat().status == 200


@pytest.mark.parametrize("credits", ["ten", "NaN", "Infinity"])
def test_credits_have_to_be_an_amount_of_money(credits):
    with pytest.raises(ValueError, match="amount of money"):
        Sandbox(credits=credits)


def test_the_fixture_gives_a_fresh_sandbox(openrouter_sandbox):
    assert openrouter_sandbox.requests == []
    assert openrouter_sandbox.base_url


def test_pytest_loads_the_plugin_without_loading_a_web_server():
    code = "import sys, openrouter_opts.sandbox.fixture; print({'starlette', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_without_a_web_server_the_error_names_the_extra():
    code = "import sys; sys.modules['uvicorn'] = None\nimport openrouter_opts.sandbox.fixture\nfrom openrouter_opts.sandbox import Sandbox"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'openrouter-opts[sandbox]'" in done.stderr


def test_a_life_of_a_sandbox_leaves_no_warning_in_development_mode():
    code = (
        "import http.client, logging, urllib.parse\n"
        "from openrouter_opts.sandbox import Sandbox\n"
        # In development mode asyncio also logs what took long, which on a busy machine is anything.
        "logging.getLogger('asyncio').setLevel('ERROR')\n"
        "with Sandbox() as sandbox:\n"
        "    sandbox.cut_after(deltas=1)\n"
        "    connection = http.client.HTTPConnection(urllib.parse.urlsplit(sandbox.base_url).netloc)\n"
        "    connection.request('POST', '/api/v1/chat/completions', '{\"stream\":true,\"prompt\":\"hi\"}',"
        " {'Authorization': 'Bearer sk-or-sandbox'})\n"
        "    try:\n"
        "        connection.getresponse().read()\n"
        "    except http.client.IncompleteRead:\n"
        "        print('cut')\n"
        "    connection.close()\n"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("cut\n", "")
