"""Keys of providers, and headers, which may be keys: they are sent, and nobody sees them, wherever they were given."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.runnables import RunnableLambda
from llama_index.core import PromptTemplate
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterEmbeddings
from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import ConfigurationError, OpenRouterError, ProviderOptions
from openrouter_opts.sandbox import Sandbox
from tests.frameworks import FRAMEWORKS, HI, LANGCHAIN, LLAMAINDEX, Framework
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import answer

SECRET = "sk-nobody-sees-this"
KEYS, HEADERS = {"openai": SECRET}, {"X-Gateway-Key": SECRET}
SPELLINGS: dict[str, Any] = {
    "provider_api_keys": KEYS,
    "openrouter_provider_api_keys": KEYS,
    "X-Provider-API-Keys": KEYS,
    "extra_headers": HEADERS,
    "openrouter_extra_headers": HEADERS,
    "default_headers": HEADERS,
}
GIVEN: dict[str, dict[str, Any]] = {
    **{f"{name} by name": {name: value} for name, value in SPELLINGS.items()},
    **{f"{name} in a mapping": {"provider_options": {name: value}} for name, value in SPELLINGS.items()},
    "ready keys": {"provider_options": ProviderOptions.of(provider_api_keys=KEYS)},
    "ready headers": {"provider_options": ProviderOptions.of(extra_headers=HEADERS)},
}
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
however_given = pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN.keys())


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(credits="1000") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    shared_sandbox.reset()
    return shared_sandbox


def was_sent(sandbox: Sandbox) -> bool:
    """Tell whether the last request had the secret in a header, where it belongs."""
    headers = sandbox.last.headers
    return SECRET in headers.get("x-gateway-key", "") + headers.get("x-provider-api-keys", "")


def shown(value: Any) -> str:
    """Return a value in all the ways in which observers write one down."""
    return f"{value!r} {value} {json.dumps(value, default=str)}"


def forms_of(model: Any) -> Mapping[str, str | bytes]:
    """Return everything that a model is made into."""
    forms: dict[str, Callable[[], Any]] = {
        "repr": lambda: repr(model),
        "str": lambda: str(model),
        "model_dump": lambda: str(model.model_dump()),
        "model_dump_json": model.model_dump_json,
        "pickle": lambda: pickle.dumps(model),
        "client": lambda: f"{model.client!r} {vars(model.client)}",
    }
    if hasattr(model, "to_payload"):
        forms |= {
            "to_dict": lambda: str(model.to_dict()),
            "to_json": model.to_json,
            "to_payload": lambda: str(model.to_payload()),
        }
    else:
        forms |= {
            "dumps": lambda: dumps(model),
            "llm string": model._get_llm_string,
            "parameters": lambda: str(model._get_invocation_params()),
            "LangSmith": lambda: str(model._get_ls_params()),
        }
    return {name: form() for name, form in forms.items()}


def leaks(forms: Mapping[str, str | bytes]) -> list[str]:
    return [
        name
        for name, form in forms.items()
        if (SECRET.encode() if isinstance(form, bytes) else SECRET) in form
    ]


# --- models ---


@every_framework
@pytest.mark.parametrize("held", [False, True], ids=["", "in the mapping for further keys"])
@however_given
def test_a_secret_of_the_constructor_is_sent_and_in_no_form_of_the_model(
    given: dict[str, Any], held: bool, framework: Framework, sandbox: Sandbox
) -> None:
    if held:
        (options,) = given.values() if "provider_options" in given else (given,)
        given = {framework.kwargs: dict(getattr(options, "given", options))}
    model = framework.make(sandbox, **given)

    framework.ask(model)

    assert was_sent(sandbox)
    assert leaks(forms_of(model)) == []


@every_framework
@pytest.mark.parametrize(("name", "value"), SPELLINGS.items())
def test_a_secret_that_is_put_into_a_model_later_is_in_no_form_of_it(
    name: str, value: Any, framework: Framework, sandbox: Sandbox
) -> None:
    held, whole, field = (framework.make(sandbox) for _ in range(3))
    getattr(held, framework.kwargs)[name] = value
    whole.provider_options = {name: value}
    field.extra_headers = HEADERS

    for model in (held, whole, field):
        assert leaks(forms_of(model)) == []
        framework.ask(model)
        assert was_sent(sandbox)


@every_framework
@however_given
def test_a_pickle_leaves_secrets_out_and_a_deep_copy_keeps_them(
    given: dict[str, Any], framework: Framework, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = framework.make(sandbox, seed=5, **given)
    framework.ask(copy.deepcopy(model))
    assert was_sent(sandbox)

    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    framework.ask(pickle.loads(pickle.dumps(model)))
    assert not was_sent(sandbox)
    assert sandbox.last.body["seed"] == 5


@pytest.mark.parametrize("cls", [ChatOpenRouter, OpenRouter, OpenRouterEmbeddings, OpenRouterEmbedding])
@pytest.mark.parametrize("path", ["", "/"])
def test_a_pickle_has_the_proxy_without_its_password_and_a_deep_copy_has_both(cls: Any, path: str) -> None:
    proxy = f"http://user:{SECRET}@proxy.example:3128{path}"
    model = cls(model="m/x", proxy=proxy, api_key="sk-or-v1-x")

    pickled = pickle.dumps(model)

    assert SECRET.encode() not in pickled
    assert pickle.loads(pickled).proxy == f"http://proxy.example:3128{path}"
    assert copy.deepcopy(model).proxy == model.proxy == proxy


@every_framework
@pytest.mark.parametrize(
    "wrong",
    [
        {"provider_api_keys": SECRET},
        {"provider_api_keys": {"openai": [SECRET]}},
        {"extra_headers": [SECRET]},
        {"extra_headers": {"X-Provider-API-Keys": {"openai": SECRET}}},
        {"extra_headers": {"X-Gateway-Key": f"{SECRET}\n"}},
        {"extra_headers": {"X-Gateway-Key": SECRET}, "default_headers": {"X-Gateway-Key": f"{SECRET}2"}},
    ],
    ids=str,
)
def test_an_error_about_a_secret_does_not_show_it(
    wrong: dict[str, Any], framework: Framework, sandbox: Sandbox
) -> None:
    for way in framework.ways.values():
        with pytest.raises(ConfigurationError) as caught:
            way(lambda **arguments: framework.make(sandbox, **arguments), wrong)
        assert SECRET not in str(caught.value)
    assert not sandbox.requests


@every_framework
def test_an_error_of_a_server_that_echoes_a_providers_key_does_not_show_it(
    framework: Framework, scripted: Callable[..., ScriptedServer]
) -> None:
    key = "AIza-nobody-sees-this"
    echo = {"error": {"code": 401, "message": f"API key not valid: {key}"}}
    server = scripted([answer(echo, 401)])
    model = framework.cls(
        model="a/b", base_url=server.base_url, api_key="sk-or-other", provider_api_keys={"google": key}
    )

    with pytest.raises(OpenRouterError, match="API key not valid: …") as caught:
        framework.ask(model)

    assert key in server.deliveries[0].headers["x-provider-api-keys"]
    assert key not in f"{caught.value!r} {caught.value} {vars(caught.value)}"


# --- calls through LangChain ---


class Heard(BaseCallbackHandler):
    """Writes down what LangChain tells its tracers."""

    raise_error = True

    def __init__(self) -> None:
        self.text = ""

    def _hear(self, *args: Any, **kwargs: Any) -> None:
        self.text += shown(args) + shown(kwargs)

    on_chat_model_start = on_llm_end = on_llm_error = on_chain_start = on_chain_end = _hear


@pytest.mark.parametrize("bound", [False, True], ids=["call", "bind"])
@however_given
async def test_a_secret_of_a_call_is_in_no_trace_of_langchain(
    given: dict[str, Any], bound: bool, sandbox: Sandbox
) -> None:
    heard = Heard()
    config: Any = {"callbacks": [heard]}
    model = LANGCHAIN.make(sandbox)
    runnable, call = (model.bind(**given), {}) if bound else (model, given)

    runnable.invoke("hi", config, **call)
    await runnable.ainvoke("hi", config, **call)
    list(runnable.stream("hi", config, **call))
    (RunnableLambda(lambda text: text) | runnable.bind(**call)).batch(["hi"], config)

    assert was_sent(sandbox)
    assert heard.text
    assert SECRET not in heard.text
    assert SECRET not in model._get_llm_string(**given) + str(model._get_ls_params(**given))


@however_given
def test_a_bound_secret_is_in_no_form_of_the_binding(given: dict[str, Any], sandbox: Sandbox) -> None:
    binding = LANGCHAIN.make(sandbox).bind(**given).with_config(tags=["t"])

    assert SECRET not in f"{binding!r} {binding} {dumps(binding)} {binding.model_dump()}"
    assert SECRET not in shown(dict(binding.kwargs))
    assert SECRET.encode() not in pickle.dumps(binding)
    copy.deepcopy(binding).invoke("hi")
    assert was_sent(sandbox)


# --- calls through LlamaIndex ---


SEEN: list[str] = []


class Events(BaseEventHandler):
    """Writes down every event."""

    @classmethod
    def class_name(cls) -> str:
        return "Events"

    def handle(self, event: Any, **_: Any) -> None:
        SEEN.append(f"{event!r} {event.model_dump()}")
        if hasattr(event, "additional_kwargs"):
            SEEN.append(event.model_dump_json(include={"additional_kwargs"}))


class Spans(SimpleSpanHandler):
    """Writes down the arguments of every span."""

    def new_span(self, id_: str, bound_args: Any, *args: Any, **kwargs: Any) -> Any:
        SEEN.append(shown(bound_args.arguments))
        return super().new_span(id_, bound_args, *args, **kwargs)


@pytest.fixture
def watched() -> Iterator[list[str]]:
    dispatcher = get_dispatcher()
    events, spans = Events(), Spans()
    dispatcher.add_event_handler(events)
    dispatcher.add_span_handler(spans)
    SEEN.clear()
    yield SEEN
    dispatcher.event_handlers.remove(events)
    dispatcher.span_handlers.remove(spans)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Said(BaseModel):
    """What was said."""

    word: str


TOOLS = [FunctionTool.from_defaults(add)]
SAY = PromptTemplate("Say {word}.")


@however_given
async def test_a_secret_of_a_call_is_in_no_event_and_no_span_of_llamaindex(
    given: dict[str, Any], sandbox: Sandbox, watched: list[str]
) -> None:
    heard = LlamaDebugHandler(print_trace_on_end=False)
    llm = LLAMAINDEX.make(sandbox, callback_manager=CallbackManager([heard]))

    calls: list[Any] = [
        llm.chat(HI, **given),
        await llm.achat(HI, **given),
        list(llm.stream_chat(HI, **given)),
        [each async for each in await llm.astream_chat(HI, **given)],
        llm.complete("hi", **given),
        await llm.acomplete("hi", **given),
        list(llm.stream_complete("hi", **given)),
        [each async for each in await llm.astream_complete("hi", **given)],
        llm.chat_with_tools(TOOLS, "hi", **given),
        llm.predict_and_call(TOOLS, "What is 12 + 7? Use add.", **given),
        await llm.apredict_and_call(TOOLS, "What is 12 + 7? Use add.", **given),
        llm.predict(SAY, word="hi", **given),
        await llm.apredict(SAY, word="hi", **given),
        list(llm.stream(SAY, word="hi", **given)),
        [each async for each in await llm.astream(SAY, word="hi", **given)],
        llm.structured_predict(Said, SAY, given, word="hi"),
        llm.structured_predict(Said, SAY, word="hi", **given),
        await llm.astructured_predict(Said, SAY, llm_kwargs=given, word="hi"),
        list(llm.stream_structured_predict(Said, SAY, llm_kwargs=given, word="hi")),
        [each async for each in await llm.astream_structured_predict(Said, SAY, llm_kwargs=given, word="hi")],
        llm.as_structured_llm(Said, **given).chat(HI),
    ]

    assert len(calls) == len(sandbox.requests)
    assert all(SECRET in str({**request.headers}) for request in sandbox.requests), (
        "a secret did not reach OpenRouter"
    )
    assert watched
    assert SECRET not in "".join(watched)
    assert SECRET not in shown(heard.get_llm_inputs_outputs())


@however_given
def test_a_secret_is_in_no_form_of_a_structured_llm(given: dict[str, Any], sandbox: Sandbox) -> None:
    structured = LLAMAINDEX.make(sandbox).as_structured_llm(Said, **given)
    assert SECRET not in f"{structured!r} {structured.to_dict()} {structured.model_dump()}"


class Own(LLAMAINDEX.cls):  # type: ignore[misc, name-defined]
    """A model class of a user's."""

    def chat(self, messages: Any, **kwargs: Any) -> Any:
        """Chat."""
        return super().chat(messages, **kwargs)


def test_a_class_made_of_ours_keeps_secrets_too(sandbox: Sandbox, watched: list[str]) -> None:
    own = Own("openai/gpt-5-mini", api_base=sandbox.base_url, api_key=sandbox.api_key)
    own.chat(HI, provider_api_keys=KEYS)
    assert was_sent(sandbox)
    assert watched
    assert SECRET not in "".join(watched)
