"""Agents whose tools stand in the system prompt, and are asked for and answered in text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from openrouter_opts.sandbox.model.conversation import AskedCall, Conversation, FunctionTool, ToolResult, Turn


@dataclass(frozen=True, slots=True)
class Protocol:
    """How an agent wants its tools asked for.

    Attributes:
        tools: what the system prompt describes.
        action: the text that asks for a call, after a thought.
        final: the text that ends the loop.
        asked: the call in an assistant's message, if there is one.
        observation: what stands before a result, at the start of a user's message.
    """

    tools: tuple[FunctionTool, ...]
    action: Callable[[str, AskedCall], str]
    final: Callable[[str], str]
    asked: Callable[[str], AskedCall | None]
    observation: re.Pattern[str]

    def observe(self, talk: Conversation) -> Conversation:
        """The conversation with actions and observations read as calls and results, and no system prompt."""
        turns = (*talk.earlier, Turn("user", talk.question))
        asked = next((at for at in range(len(turns) - 1, -1, -1) if self._is_question(turns[at])), 0)
        results: list[ToolResult] = []
        call: AskedCall | None = None
        for turn in turns[asked + 1 :]:
            if turn.role == "assistant":
                call = self.asked(turn.text) or call
            elif call and self.observation.match(turn.text):
                results.append(ToolResult(call, self.observation.sub("", turn.text, count=1)))
        return replace(
            talk,
            question=turns[asked].text,
            system="",
            earlier=turns[:asked],
            results=(*results, *talk.results),
            tools=self.tools,
            tool_choice="auto",
            parallel=False,
        )

    def _is_question(self, turn: Turn) -> bool:
        return turn.role == "user" and not self.observation.match(turn.text)
