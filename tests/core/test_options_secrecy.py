"""Keys of providers and headers are in the request's headers, and nowhere else."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from pydantic import SecretStr

from openrouter_opts import ConfigurationError
from openrouter_opts.options import ProviderOptions
from openrouter_opts.options.secrecy import covered, without_secrets

SECRET = "sk-nobody-sees-this"


@pytest.mark.parametrize("secret", [SECRET, SecretStr(SECRET)], ids=["text", "SecretStr"])
@pytest.mark.parametrize(
    ("spelling", "key", "header"),
    [
        ("provider_api_keys", "openai", "X-Provider-API-Keys"),
        ("openrouter_provider_api_keys", "openai", "X-Provider-API-Keys"),
        ("X-Provider-API-Keys", "openai", "X-Provider-API-Keys"),
        ("extra_headers", "X-Gateway-Key", "X-Gateway-Key"),
        ("openrouter_extra_headers", "X-Gateway-Key", "X-Gateway-Key"),
        ("default_headers", "X-Gateway-Key", "X-Gateway-Key"),
    ],
)
def test_a_secret_is_in_its_header_and_in_no_form_of_the_options(spelling, key, header, secret):
    options = ProviderOptions.of({spelling: {key: secret}}).merged(ProviderOptions(seed=1))
    assert SECRET in options.headers[header]
    assert copy.deepcopy(options).headers == copy.copy(options).headers == options.headers
    for form in (
        repr(options),
        str(options),
        str(options.model_dump()),
        options.model_dump_json(),
        repr(options.given),
        json.dumps(options.given, default=str),
        repr(options.headers),
        repr(pickle.dumps(options)),
    ):
        assert SECRET not in form


def test_a_pickle_has_everything_but_secrets():
    options = ProviderOptions(seed=7, temperature=None, provider_api_keys={"a": "b"}, app_title="App")
    assert options.headers
    again = pickle.loads(pickle.dumps(options))
    assert again == ProviderOptions(seed=7, temperature=None, app_title="App")
    assert again.headers == {"X-OpenRouter-Title": "App"}


def test_text_and_a_secret_that_holds_it_are_the_same():
    plain = ProviderOptions(extra_headers={"X-A": "1"}, provider_api_keys={"a": "b"})
    hidden = ProviderOptions(extra_headers={"X-A": SecretStr("1")}, provider_api_keys={"a": SecretStr("b")})
    assert plain == hidden
    assert ProviderOptions.of(plain, default_headers={"X-A": "1"}) == plain


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider_api_keys": SECRET},
        {"provider_api_keys": {"openai": [SECRET]}},
        {"extra_headers": SECRET},
        {"extra_headers": {"X-Provider-API-Keys": {"openai": SECRET}}},
        {"extra_headers": {"X-Gateway-Key": f"{SECRET}\n"}},
        {"extra_headers": {"X-Gateway-Key": SECRET}, "default_headers": {"X-Gateway-Key": f"{SECRET}2"}},
    ],
    ids=str,
)
def test_an_error_about_a_secret_does_not_show_it(wrong):
    with pytest.raises(ConfigurationError) as caught:
        ProviderOptions.of(wrong)
    assert SECRET not in str(caught.value)
    assert "SecretStr" not in str(caught.value)


def test_arguments_are_covered_and_parted_from_secrets_at_any_depth():
    given = {
        "seed": 1,
        "extra_headers": {"X-A": SECRET, "X-B": None},
        "provider_options": {"X-Provider-API-Keys": {"openai": SECRET}, "top_k": 2},
        "llm_kwargs": {"provider_options": {"default_headers": [SECRET]}},
    }
    before = copy.deepcopy(given)
    assert SECRET not in f"{covered(given)!r} {without_secrets(given)!r}"
    assert covered(given)["extra_headers"]["X-A"].get_secret_value() == SECRET
    assert covered(given)["extra_headers"]["X-B"] is None
    assert without_secrets(given) == {
        "seed": 1,
        "provider_options": {"top_k": 2},
        "llm_kwargs": {"provider_options": {}},
    }
    assert given == before
