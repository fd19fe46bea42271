"""The options and the limit of a model class, whichever framework it is for: how they are given, held, shown and stored."""

from __future__ import annotations

import pickle
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any, Self

import pytest
from pydantic import ConfigDict

from openrouter_opts import Completion, ConfigurationError, OpenRouterClient, SpendLimit, SpendLimitExceeded
from openrouter_opts.limited import Limited, shown_limits, with_one_limit
from openrouter_opts.options import ProviderOptions
from openrouter_opts.options.model_options import (
    ModelOptions,
    OptionsLike,
    fields_of,
    parted,
    sorted_out,
    storable,
)
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, answer

Servers = Callable[..., ScriptedServer]

HI = [{"role": "user", "content": "hi"}]
SECRET = "sk-nobody-sees-this"


class Model(ModelOptions, Limited):
    """A model class of a framework that has nothing else."""

    model: str = "m/x"
    proxy: str | None = None
    # A field that has the name of an option, and is none.
    metadata: dict[str, Any] | None = None
    model_kwargs: dict[str, Any] | None = None

    model_config = ConfigDict(protected_namespaces=())

    def __init__(self, **given: Any) -> None:
        fields = sorted_out(given, fields=type(self).model_fields, renamed={"model_name": "model"})
        super().__init__(**fields)
        self.own_options()  # what disagrees is said at once

    def configured(self, options: OptionsLike) -> Self:
        """Return the same with options laid over its own."""
        over = ProviderOptions.of(options)
        return self.model_copy(update=fields_of(self.own_options().merged(over)))

    def ask(self, server: ScriptedServer, **call: Any) -> Completion:
        rest, options = parted(call)
        client = OpenRouterClient(
            api_key="k",
            base_url=server.base_url,
            model=self.model,
            provider_options=self.own_options(),
            spend_limit=self._limits(),
        )
        return client.complete(HI, provider_options=options, **rest)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__dict__": storable(state["__dict__"])}


# --- how they are given ---


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": 0.5, "app_title": "App"},
        {"openrouter_temperature": 0.5, "X-OpenRouter-Title": "App"},
        {"provider_options": {"temperature": 0.5, "app_title": "App"}},
        {"provider_options": ProviderOptions(temperature=0.5), "app_title": "App"},
        {"named_options": {"app_title": "App"}, "temperature": 0.5, "seed": None},
        {"named_options": {"app_title": "App"}, "app_title": "App", "provider_options": {"temperature": 0.5}},
    ],
    ids=str,
)
def test_an_option_is_sent_whichever_way_it_was_given(given: dict[str, Any], scripted: Servers) -> None:
    server = scripted([answer(COMPLETION)])
    Model(**given).ask(server)
    assert server.deliveries[0].json == {"model": "m/x", "messages": HI, "temperature": 0.5}
    assert server.deliveries[0].headers["x-openrouter-title"] == "App"


def test_the_options_of_a_call_lie_over_those_of_its_model(scripted: Servers) -> None:
    server = scripted([answer(COMPLETION)])
    model = Model(temperature=0.5, provider={"order": ["a"]})
    model.ask(server, temperature=None, zdr=True, provider_options={"seed": 1}, model="m/y", max_retries=0)
    assert server.deliveries[0].json == {
        "model": "m/y",
        "messages": HI,
        "seed": 1,
        "provider": {"order": ["a"], "zdr": True},
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"temprature": 0.5}, "temprature: there is no such argument; did you mean temperature? "),
        ({"zzz": 1}, "zzz: there is no such argument; What is newer than this library goes into extra_body"),
        (
            {"model": "m/x", "model_name": "m/y"},
            "model and model_name are the same, and have different values; give one of them",
        ),
        ({"temperature": "hot"}, "temperature: should be a valid number"),
        ({"provider_options": {"seed": 1}, "seed": 2}, "seed is given twice, with different values"),
        ({"provider_options": 5}, "provider_options: should be a mapping or ProviderOptions, not int"),
        ({"named_options": {"app_title": "a"}, "app_title": "b"}, "app_title is given twice"),
        ({"model_kwargs": ["seed"]}, "model_kwargs: should be a mapping of options, not list"),
    ],
)
def test_what_is_wrong_is_said_by_the_constructor(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Model(**given)
    assert str(caught.value).startswith(said)


def test_two_names_of_one_thing_may_agree() -> None:
    assert Model(model="m/y", model_name="m/y").model == "m/y"


def test_a_field_with_the_name_of_an_option_is_no_option() -> None:
    model = Model(metadata={"run": 1})
    assert model.metadata == {"run": 1}
    assert model.own_options() == ProviderOptions()


@pytest.mark.parametrize("kind", [dict, ChainMap])
def test_what_the_caller_changes_later_does_not_change_the_model(
    kind: Callable[[dict[str, Any]], Mapping[str, Any]],
) -> None:
    extra: dict[str, Any] = {"a": {"b": 1}}
    options: dict[str, Any] = {"extra_body": {"newer": [1]}}
    model = Model(model_kwargs=extra, provider_options=kind(options))
    extra["a"]["b"] = options["extra_body"]["newer"][0] = 2
    assert model.model_kwargs == {"a": {"b": 1}}
    assert model.own_options().body == {"newer": [1]}


# --- how they are held ---


@pytest.mark.parametrize(
    ("given", "over", "sent"),
    [
        ({"temperature": 0.5}, {"seed": 1}, {"temperature": 0.5, "seed": 1}),
        ({"temperature": 0.5}, {"temperature": None}, {}),
        ({"app_title": "App"}, {"app_title": None, "user": "u"}, {"user": "u"}),
        ({"provider_options": {"temperature": 0.5}}, {"temperature": 1}, {"temperature": 1}),
        ({"provider_options": {"provider": {"zdr": True, "order": ["a"]}}}, {"order": ["b"]},
         {"provider": {"order": ["b"], "zdr": True}}),
    ],
)  # fmt: skip
def test_options_that_a_copy_is_given_are_in_its_fields(
    given: Mapping[str, Any], over: dict[str, Any], sent: dict[str, Any]
) -> None:
    model = Model(**given)
    copy = model.configured(over)
    assert copy.own_options().body == sent
    assert "X-OpenRouter-Title" not in copy.own_options().headers
    assert copy.provider_options is None
    assert copy.temperature == sent.get("temperature")
    assert model.own_options() == Model(**given).own_options()


def test_an_option_that_was_taken_away_can_be_set_again() -> None:
    copy = Model(temperature=0.5).configured({"temperature": None})
    copy.temperature = 1
    assert copy.own_options().body == {"temperature": 1}


def test_an_option_that_is_taken_away_stays_so_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, scripted: Servers
) -> None:
    monkeypatch.setenv("OPENROUTER_APP_TITLE", "App")
    server = scripted([answer(COMPLETION)], [answer(COMPLETION)])
    model = Model()
    model.ask(server)
    model.configured({"app_title": None}).ask(server)
    assert ["x-openrouter-title" in sent.headers for sent in server.deliveries] == [True, False]


# --- how they are shown and stored ---


def test_secrets_are_in_the_request_and_nowhere_else(scripted: Servers) -> None:
    server = scripted([answer(COMPLETION)])
    model = Model(
        provider_api_keys={"openai": f"{SECRET}-1"},
        extra_headers={"X-Gateway-Key": f"{SECRET}-2"},
        provider_options={"extra_headers": {"X-Gateway-Key": f"{SECRET}-2"}, "seed": 1},
        model_kwargs={"extra_headers": {"X-Other": f"{SECRET}-3"}},
    )
    for shown in (
        repr(model),
        str(model),
        repr(model.model_dump(exclude={"model_kwargs"})),
        model.model_dump_json(),
        repr(pickle.dumps(model)),
    ):
        assert SECRET not in shown
        assert "seed" in shown
    model.ask(server)
    assert server.deliveries[0].headers["x-gateway-key"] == f"{SECRET}-2"
    assert f"{SECRET}-1" in server.deliveries[0].headers["x-provider-api-keys"]


@pytest.mark.parametrize(
    ("proxy", "kept"),
    [
        (f"http://me:{SECRET}@proxy.example:3128", "http://proxy.example:3128"),
        (f"socks5://{SECRET}@10.0.0.1:1080/", "socks5://10.0.0.1:1080/"),
        (f"me:{SECRET}@proxy.example:3128", "proxy.example:3128"),
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        (None, None),
    ],
)
def test_a_pickle_has_the_options_and_the_proxy_but_no_key_of_either(
    proxy: str | None, kept: str | None
) -> None:
    model = Model(proxy=proxy, temperature=0.5, app_title="App", provider_api_keys={"openai": SECRET})
    pickled = pickle.dumps(model)
    again = pickle.loads(pickled)
    assert SECRET.encode() not in pickled
    assert again.proxy == kept
    assert again.own_options() == ProviderOptions(temperature=0.5, app_title="App")


# --- its limit ---


def test_an_amount_is_one_limit_for_all_calls_and_copies(scripted: Servers) -> None:
    server = scripted([answer({"error": {"code": 404, "message": "No prices."}}, 404)])
    model = Model(spend_limit="0.50")
    assert model.spend_limit == "0.50"
    with pytest.raises(SpendLimitExceeded):
        model.ask(server)
    limit = model.spend_limit
    assert isinstance(limit, SpendLimit)
    with pytest.raises(SpendLimitExceeded) as caught:
        model.model_copy(deep=True).ask(server)
    assert caught.value.limit == limit.amount
    assert model.model_copy(deep=True).spend_limit is limit
    assert chats(server) == []


@pytest.mark.parametrize("nothing", [None, []])
def test_no_limit_is_none(nothing: Any, scripted: Servers) -> None:
    server = scripted([answer(COMPLETION)])
    model = Model(spend_limit=nothing)
    model.ask(server)
    assert model.spend_limit is None


def test_several_limits_stay_several() -> None:
    team = SpendLimit("5")
    model = Model(spend_limit=[team, "0.50"])
    first, second = limits = model._limits()
    assert first is team
    assert second.amount == SpendLimit("0.50").amount
    assert model._limits() == limits


def test_an_amount_for_several_calls_is_one_limit_for_all_of_them() -> None:
    (limit,) = with_one_limit({"spend_limit": "0.50", "seed": 1})["spend_limit"]
    assert isinstance(limit, SpendLimit)
    assert with_one_limit({"seed": 1}) == {"seed": 1}


@pytest.mark.parametrize("several", [False, True])
def test_limits_are_shown_as_what_can_be_written(several: bool) -> None:
    limit = SpendLimit("0.50")
    shown = shown_limits({"seed": 1, "spend_limit": [limit, SpendLimit("5")] if several else limit})
    written = shown["spend_limit"][0] if several else shown["spend_limit"]
    assert written == limit.written()
    assert shown["seed"] == 1


@pytest.mark.parametrize(
    "limits", [{}, {"spend_limit": None}, {"spend_limit": "0.50"}, {"spend_limit": ["1", 2]}]
)
def test_amounts_are_shown_as_they_are(limits: dict[str, Any]) -> None:
    assert shown_limits({"seed": 1, **limits}) == {"seed": 1, **limits}


def chats(server: ScriptedServer) -> list[str]:
    return [sent.path for sent in server.deliveries if sent.path.endswith("/chat/completions")]
