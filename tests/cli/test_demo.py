"""`openrouter-opts demo`, as a user runs it."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner, Result

from openrouter_opts.cli.app import app
from openrouter_opts.cli.demo import MAX_PROMPT_TOKENS, MAX_TOKENS, at_most
from openrouter_opts.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("loop_of_llama_index")


def demo(*arguments: str, answer: str = "") -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, ["demo", *arguments], input=answer)


@pytest.fixture
def with_key(openrouter_sandbox: Sandbox) -> Sandbox:
    """A key in the environment, for a server that only looks like OpenRouter."""
    return openrouter_sandbox


def test_without_a_key_it_shows_four_steps_and_their_costs():
    result = demo()
    assert result.exit_code == 0, result.output
    assert re.findall(r"(\d)\. (\w+): (.+?) ─", result.output) == [
        ("1", "LangChain", "chain"),
        ("2", "LangChain", "agent"),
        ("3", "LlamaIndex", "query engine"),
        ("4", "LlamaIndex", "agent"),
    ]
    assert "1, 2, 3, 4, 5" in result.output
    assert result.output.count("It is sunny in Paris") == 4
    assert "Ida Holm" in result.output
    assert re.search(r"1 chain +anthropic/claude-haiku-4\.5 +Anthropic +1 +\d+ +\d+ +0\.\d+", result.output)
    assert re.search(r"4 agent +openai/gpt-5-mini +OpenAI +2 +\d+ +\d+ +0\.\d+", result.output)


def test_with_a_key_it_says_the_most_it_can_cost_and_asks_first(with_key: Sandbox):
    result = demo(answer="n\n")
    assert result.exit_code == 1
    assert f"at most 10 calls, and at most ${at_most(10):.2f}" in result.output
    assert with_key.requests == []


def test_it_stays_below_what_it_said_and_its_bill_is_the_accounts(with_key: Sandbox):
    result = demo("--yes")
    assert result.exit_code == 0, result.output
    total = re.findall(r"^ all .* ([\d.]+) *$", result.output, re.MULTILINE)
    assert float(total[-1]) == float(with_key.credits_used)
    assert 0 < with_key.credits_used <= at_most(10)


def test_every_call_is_bounded(with_key: Sandbox):
    assert demo("--yes").exit_code == 0
    chats = [seen for seen in with_key.requests if seen.path.endswith("/chat/completions")]
    assert len(chats) <= 10
    for seen in chats:
        assert seen.body["max_tokens"] == MAX_TOKENS
        assert seen.body["provider"]["max_price"]
        assert len(seen.raw) < 4 * MAX_PROMPT_TOKENS


def test_a_model_that_costs_more_than_was_promised_is_not_begun(with_key: Sandbox):
    result = demo("--yes", "--model", "anthropic/claude-opus-4.6")
    assert result.exit_code == 1
    assert "the demo stops at $1.5" in result.output
    assert with_key.requests == []


def test_without_anybody_to_ask_it_names_the_option(with_key: Sandbox):
    result = demo(answer="")
    assert result.exit_code == 1
    assert "--yes" in result.output


def test_a_wrong_base_url_is_one_line(with_key: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENROUTER_API_BASE", "localhost:99")
    result = demo("--yes")
    assert result.exit_code == 1
    assert "ConfigurationError: base_url: there is no `http://`" in result.output
    assert "Traceback" not in result.output


def test_one_model_can_serve_every_step(with_key: Sandbox):
    assert demo("--yes", "--model", "openai/gpt-5-mini").exit_code == 0
    assert {seen.body["model"] for seen in with_key.requests} == {"openai/gpt-5-mini"}


def test_a_failure_is_one_line_and_keeps_the_bill(with_key: Sandbox):
    with_key.fail_next(status=401, message="No auth credentials found")
    result = demo("--yes")
    assert result.exit_code == 1
    assert "AuthenticationError: No auth credentials found" in result.output
    assert "Traceback" not in result.output
    assert "What it cost" in result.output
