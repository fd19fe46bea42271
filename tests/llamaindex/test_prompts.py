"""Prompts with variables, answered with text."""

from __future__ import annotations

from collections.abc import Callable

from llama_index.core import PromptTemplate

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox

MakeLLM = Callable[..., OpenRouter]


async def test_prompts_are_predicted(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    llm = make_llm(system_prompt="Be brief.")
    prompt = PromptTemplate("What is {a} * {b}?")

    assert llm.predict(prompt, a=12, b=7) == "12 * 7 = 84"
    assert await llm.apredict(prompt, a=3, b=4) == "3 * 4 = 12"
    assert "".join(llm.stream(prompt, a=12, b=7)) == "12 * 7 = 84"
    assert "".join([token async for token in await llm.astream(prompt, a=12, b=7)]) == "12 * 7 = 84"
    assert sandbox.last.body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_model_said_to_be_no_chat_model_gets_its_prompt_through_completion_to_prompt(
    make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm(is_chat_model=False, completion_to_prompt=lambda prompt: f"<s>{prompt}</s>")

    llm.complete("hi")
    assert sandbox.last.body["messages"] == [{"role": "user", "content": "<s>hi</s>"}]

    llm.complete("hi", formatted=True)
    assert sandbox.last.body["messages"] == [{"role": "user", "content": "hi"}]
