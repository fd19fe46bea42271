"""J: the key goes to the server that it is for, in one header, and is seen nowhere else."""

from __future__ import annotations

import io
import itertools
import json
import logging
import pickle
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterEmbeddings
from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import (
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    ConnectionLost,
    OpenRouterError,
    RateLimited,
)
from openrouter_opts.http.secret import Secret, in_use, strike_out
from openrouter_opts.protocol.failure import from_error
from tests.faults.aftermath import HI, KEY, SOON, both_kinds, ending, failure, shows_no_key
from tests.faults.calls import Callers, Servers, client_of
from tests.scripted_server import Delivery, Script, ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM, answer, delta, streamed

PROMPT = "nobody logs what is asked"
ECHO = {"error": {"code": 401, "message": f"bad key {KEY}", "metadata": {"raw": f"Bearer {KEY}"}}}


def whole_or_streamed(sent: Delivery) -> Script:
    return streamed(STREAM) if sent.json.get("stream") else [answer(COMPLETION)]


# --- J1, J4, J5: objects, traces, pickles ---


def client(server: ScriptedServer, key: Any) -> OpenRouterClient:
    made = client_of(server, api_key=key)
    made.complete(HI)
    return made


def chat_model(server: ScriptedServer, key: Any) -> ChatOpenRouter:
    made = ChatOpenRouter(model="m/x", base_url=server.base_url, api_key=key)
    made.invoke("hi")
    return made


def llm(server: ScriptedServer, key: Any) -> OpenRouter:
    made = OpenRouter("m/x", api_base=server.base_url, api_key=key)
    made.complete("hi")
    return made


def embeddings(server: ScriptedServer, key: Any) -> OpenRouterEmbeddings:
    return OpenRouterEmbeddings(model="m/x", base_url=server.base_url, api_key=key)


def embedding(server: ScriptedServer, key: Any) -> OpenRouterEmbedding:
    return OpenRouterEmbedding("m/x", api_base=server.base_url, api_key=key)


FORMS: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "str": str,
    "vars": vars,
    "pickle": pickle.dumps,
    "dumps": dumps,
    **{
        name: lambda made, name=name: getattr(made, name)()
        for name in (
            "model_dump",
            "model_dump_json",
            "to_dict",
            "to_json",
            "to_payload",
            "_get_ls_params",
            "_get_llm_string",
            "_get_invocation_params",
            "_repr_html_",
        )
    },
    "_identifying_params": lambda made: made._identifying_params,
    "the parts of its client": lambda made: [vars(made.client), vars(made.client._transport)],
    "the parts of its transport": lambda made: [vars(made._transport), vars(made._transport.pools)],
}


def leaks(made: Any) -> list[str]:
    """Return the forms of an object that show the key."""
    found = []
    for name, form in FORMS.items():
        try:
            shown = form(made)
        except (AttributeError, TypeError):
            # A form that this object doesn't have.
            continue
        text = (
            shown
            if isinstance(shown, bytes)
            else f"{shown} {shown!r} {json.dumps(shown, default=str)}".encode()
        )
        found += [name] if KEY.encode() in text else []
    return found


@pytest.mark.parametrize("given", [str, lambda key: lambda: key], ids=["a string", "a callable"])
@pytest.mark.parametrize("make", [client, chat_model, llm, embeddings, embedding])
def test_no_form_of_an_object_shows_the_key(make: Any, given: Any, scripted: Servers):
    made = make(scripted(choose=whole_or_streamed), given(KEY))
    assert leaks(made) == []


def test_the_check_would_find_a_key_that_shows():
    class Careless:
        def __init__(self) -> None:
            self.key = KEY

    assert leaks(Careless()) == ["vars"]


class Heard(BaseCallbackHandler):
    """Writes down all that LangChain tells its tracers."""

    def __init__(self) -> None:
        self.text = ""

    def _hear(self, *args: Any, **kwargs: Any) -> None:
        self.text += f"{args!r} {kwargs!r}"

    on_chat_model_start = on_llm_new_token = on_llm_end = on_llm_error = _hear


class Events(BaseEventHandler):
    """Writes down all that LlamaIndex tells its tracers."""

    text: str = ""

    @classmethod
    def class_name(cls) -> str:
        return "Events"

    def handle(self, event: Any, **_: Any) -> None:
        self.text += f"{event!r} {event.model_dump()}"


@pytest.mark.parametrize("fails", [False, True])
def test_no_tracer_hears_the_key(fails: bool, scripted: Servers):
    server = scripted([answer(ECHO, 401)]) if fails else scripted(choose=whole_or_streamed)
    heard, events, dispatcher = Heard(), Events(), get_dispatcher()
    dispatcher.add_event_handler(events)
    try:
        model = ChatOpenRouter(model="m/x", base_url=server.base_url, api_key=KEY, callbacks=[heard])
        index = OpenRouter("m/x", api_base=server.base_url, api_key=KEY)
        for run in (
            lambda: model.invoke("hi"),
            lambda: list(model.stream("hi")),
            lambda: index.chat([ChatMessage("hi")]),
            lambda: list(index.stream_chat([ChatMessage("hi")])),
        ):
            with pytest.raises(AuthenticationError) if fails else nullcontext():
                run()
    finally:
        dispatcher.event_handlers.remove(events)
    assert heard.text
    assert events.text
    assert KEY not in heard.text + events.text


# --- J2, J6: errors ---

REVEALING: dict[str, Script] = {
    "echoed": [answer(ECHO, 401)],
    "echoed in a 200": [answer(ECHO)],
    "echoed in a stream": streamed(delta("x"), b"data: " + json.dumps(ECHO).encode() + b"\n\n"),
    "echoed where JSON should be": streamed(delta("x"), f"data: {KEY}\n\n".encode()),
    "echoed in a header": [answer(ECHO, 429, X_Request_Id=KEY, Retry_After=KEY, CF_Ray=KEY)],
    "echoed in a target": [answer(b"", 307, Location=f"http://127.0.0.1/{KEY}")],
    "reset": ["RST"],
    "garbage": [f"HTTP/1.1 {KEY}\r\n\r\n".encode(), "FIN"],
    "late": ["HANG"],
    "a page": [answer(f"<html><title>{KEY}</title></html>".encode(), 502)],
    "cut": [*streamed(delta("x"), end=0.02), "RST"],
}


@pytest.mark.parametrize("kind", REVEALING)
@both_kinds
def test_no_error_shows_the_key(kind: str, stream: bool, scripted: Servers, caller: Callers):
    made = caller(scripted(REVEALING[kind]), api_key=KEY, max_retries=0, timeout={"first_byte": SOON})
    error = ending(made, stream=stream)
    assert error
    # `ending` has looked at it link by link; trackers show it in their own ways.
    printed = io.StringIO()
    traceback.TracebackException.from_exception(error, capture_locals=True).print(file=printed)
    ours = [frame for frame in printed.getvalue().split('  File "') if "/tests/" not in frame.split(",")[0]]
    assert KEY not in "".join(ours)
    assert KEY not in f"{error.response} {error.__dict__}"


@pytest.mark.parametrize("bad", [f"{KEY}\u201d", f"{KEY}\nx", f"\u201c{KEY}", f"{KEY} x"])
def test_what_is_nearly_a_key_is_not_shown_either(bad: str, scripted: Servers, caller: Callers):
    shows_no_key(failure(caller(scripted(["HANG"]), api_key=bad), ConfigurationError))
    with pytest.raises(ConfigurationError) as caught:
        Secret(bad).reveal()
    shows_no_key(caught.value)


def test_a_callable_that_fails_does_not_show_what_it_fetched(scripted: Servers, caller: Callers):
    def fetch() -> str:
        raise ValueError(f"cannot parse {KEY}")

    shows_no_key(failure(caller(scripted(["HANG"]), api_key=fetch), ConfigurationError))


def test_a_failure_while_another_is_handled_is_judged_by_itself(scripted: Servers, caller: Callers):
    made = caller(scripted(["RST"]))

    def fail() -> None:
        raise CertificateError("an earlier failure, elsewhere")

    try:
        fail()
    except CertificateError:
        error = failure(made, ConnectionLost)
    assert "earlier" not in str(error)


ODD = 'my/key"with\\all+of<it>='
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": json.dumps,
    "with slashes escaped": lambda key: json.dumps(key).replace("/", "\\/"),
    "as .NET writes it": lambda key: json.dumps(key).replace("+", "\\u002B").replace("<", "\\u003C"),
    "as Go writes it": lambda key: json.dumps(key).replace("<", "\\u003c").replace(">", "\\u003e"),
    "as numbers": lambda key: '"' + "".join(f"\\u{ord(each):04x}" for each in key) + '"',
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("status", [200, 401])
def test_a_key_is_struck_out_however_json_writes_it(
    written: Callable[[str], str], status: int, scripted: Servers, caller: Callers
):
    body = f'{{"error": {{"code": 401, "message": "no", "metadata": {{"raw": {written(ODD)}}}}}}}'.encode()
    assert json.loads(body)["error"]["metadata"]["raw"] == ODD
    error = failure(caller(scripted([answer(body, status)]), api_key=ODD), AuthenticationError)
    assert error.response.json()["error"]["metadata"] == error.metadata == {"raw": "…"}
    shows_no_key(error, ODD)


OF_A_GATEWAY = "gateway-" + "SECRET" * 6
AT_THE_CUT = b"x" * 171 + OF_A_GATEWAY.encode()
CUT: dict[str, Script] = {
    "a refusal": [answer(AT_THE_CUT, 500)],
    "what should be JSON": [answer(AT_THE_CUT)],
    "what should be a chunk": streamed(b"data: " + AT_THE_CUT + b"\n\n"),
}


@pytest.mark.parametrize("kind", CUT)
def test_no_part_of_a_key_is_left_where_a_text_is_cut(kind: str, scripted: Servers, caller: Callers):
    made = caller(scripted(CUT[kind]), api_key=OF_A_GATEWAY, max_retries=0)
    error = ending(made, stream="chunk" in kind)
    assert error
    shows_no_key(error, "gateway")
    assert "x…" in str(error)


# Local servers take any key, and some are asked with one like these. As text each would be found in JSON where it isn't, and break it.
PLACEHOLDERS: dict[str, tuple[str, Any, Any]] = {
    "digits of a number": ("00000000", 1700000000000, 1700000000000),
    "digits of a fraction": ("12345678", 0.12345678, 0.12345678),
    "a number of its own": ("12345678", [12345678, -12345678], ["…", -12345678]),
    "the end of a character": ("u00e9t00", "\u00e9t00, said u00e9t00", "\u00e9t00, said …"),
    "the end of a line break": ("nobodys-key", "\nobodys-key; nobodys-key", "\nobodys-key; …"),
    "the name of a field": ("nobodys-key", {"nobodys-key": 1}, {"…": 1}),
}


@pytest.mark.parametrize(("key", "said", "shown"), PLACEHOLDERS.values(), ids=PLACEHOLDERS)
def test_a_placeholder_for_a_key_breaks_no_error(
    key: str, said: Any, shown: Any, scripted: Servers, caller: Callers
):
    body = {"error": {"code": 429, "message": "slow down", "metadata": {"echo": said}}}
    made = caller(scripted([answer(body, 429)]), api_key=key, max_retries=0)
    assert failure(made, RateLimited).metadata == {"echo": shown}


def test_what_a_server_quotes_of_a_prompt_stays():
    """It often is what says what is wrong, and no word tells it from the server's own. It stays with who asked: no log has it."""
    said = {"code": 400, "message": "Unknown role in 'tell me'", "metadata": {"flagged_input": "tell...me"}}
    assert str(from_error(said)).startswith("Unknown role in 'tell me';")
    assert "tell...me" not in str(from_error({**said, "message": "flagged"}))


def test_keys_that_rotate_are_struck_out_and_not_kept_for_ever():
    for number in range(3000):
        in_use(f"sk-or-v1-rotating-{number}")
    assert strike_out("sk-or-v1-rotating-2999 sk-or-v1-rotating-2500") == "… …"
    assert strike_out("sk-or-v1-rotating-1") != "…"


class Meanwhile(str):
    """A text during whose look through another thread sends a key."""

    __slots__ = ()

    def replace(self, *_: Any, **__: Any) -> str:
        in_use(f"sk-or-v1-another-{next(NUMBERS)}")
        return self


NUMBERS = itertools.count()


def test_a_key_may_come_into_use_while_keys_are_struck_out():
    in_use("sk-or-v1-one-of-two")
    assert strike_out(Meanwhile("some text")) == "some text"


# --- J3: logs ---


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """Return what every logger says, at every level."""
    handler, root = Records(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.seen
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.mark.parametrize("script", [None, [answer(ECHO, 401)], ["RST"]], ids=["answered", "refused", "reset"])
@both_kinds
def test_no_log_shows_the_key_or_what_was_asked(
    script: Script | None, stream: bool, scripted: Servers, caller: Callers, records: list[logging.LogRecord]
):
    made = caller(scripted(script) if script else scripted(choose=whole_or_streamed), api_key=KEY)
    try:
        messages = [{"role": "user", "content": PROMPT}]
        list(made.stream(messages)) if stream else made.complete(messages)
    except OpenRouterError:
        assert script
    assert records
    for record in records:
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        shown = f"{record.getMessage()} {record.args!r} {vars(record)} {trace}"
        assert KEY not in shown
        assert PROMPT not in shown


# --- J7: other places ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@both_kinds
def test_a_redirect_does_not_get_the_key(status: int, stream: bool, scripted: Servers, caller: Callers):
    elsewhere = scripted([answer(COMPLETION)])
    moved = answer(b"", status, Location=f"{elsewhere.base_url}/chat/completions")
    made = caller(
        scripted([moved]), provider_options={"app_title": "App", "extra_headers": {"X-Api-Key": KEY}}
    )
    error = failure(made, ConfigurationError, stream=stream)
    assert elsewhere.base_url in str(error)
    assert (elsewhere.connections, elsewhere.deliveries) == (0, [])


def test_a_proxy_gets_its_own_password_and_no_key(scripted: Servers, caller: Callers):
    proxy = scripted([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "FIN"])
    url = f"http://user:proxy-password@127.0.0.1:{proxy.port}"
    made = caller(proxy, base_url="https://openrouter.invalid/api/v1", proxy=url, api_key=KEY, max_retries=0)
    error = ending(made)
    assert error
    (sent,) = proxy.deliveries
    assert sent.method == "CONNECT"
    assert "proxy-authorization" in sent.headers
    assert KEY not in f"{sent}"
    assert "proxy-password" not in f"{error} {error!r} {vars(error)} {made.client!r}"


def test_the_key_is_in_one_header_and_nowhere_else(scripted: Servers, caller: Callers):
    server = scripted(choose=whole_or_streamed)
    made = caller(server, api_key=KEY)
    made.complete(HI)
    list(made.stream(HI))
    for sent in server.deliveries:
        holding = [name for name, value in sent.headers.items() if KEY in value]
        assert (holding, KEY in sent.path, KEY.encode() in sent.body) == (["authorization"], False, False)


# --- J8: files ---

REAL = re.compile(rb"sk-or-v1-[0-9a-f]{64}")


def test_no_file_of_the_project_holds_a_real_key():
    root = Path(__file__).parents[2]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    files = [root / name for name in listed.decode().split("\0") if name]
    assert len(files) > 100
    assert [file for file in files if file.is_file() and REAL.search(file.read_bytes())] == []
    assert REAL.search(b"sk-or-v1-" + b"0123456789abcdef" * 4)


def test_a_process_that_dies_of_an_error_does_not_print_the_key():
    # A traceback shows lines of the program: those of a command too, from Python 3.13 on.
    program = (
        "import sys\n"
        "from openrouter_opts import OpenRouterClient\n"
        "OpenRouterClient(api_key=sys.argv[1] + '\\u201d', model='m/x').complete('hi')"
    )
    done = subprocess.run([sys.executable, "-c", program, KEY], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ConfigurationError" in done.stderr
    assert KEY not in done.stderr
