"""One call of one client, in that client's own environment: prints how it ended, as JSON.

`peers.py` runs it by its path, with another Python; so it stands on the standard library and the client alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, Final

KEY: Final = "sk-or-v1-peers"
MODEL: Final = "openai/gpt-5-mini"
Ask = Callable[[bool], Iterator[tuple[str, Any]]]
"""Asks, streamed or not; yields the text so far, and the finish reason."""


def _ours_in_langchain(url: str, patience: float | None) -> Ask:
    from langchain_openrouter_opts import ChatOpenRouter

    timeout = patience and {"progress": patience}
    return _langchain(ChatOpenRouter(model=MODEL, api_key=KEY, base_url=url, timeout=timeout))


def _ours_in_llama_index(url: str, patience: float | None) -> Ask:
    from llamaindex_openrouter_opts import OpenRouter

    timeout = patience and {"progress": patience}
    return _llama_index(OpenRouter(model=MODEL, api_key=KEY, api_base=url, timeout=timeout))


def _langchain_openrouter(url: str, patience: float | None) -> Ask:
    from langchain_openrouter import ChatOpenRouter

    # Its timeout is in milliseconds.
    timeout = patience and round(patience * 1000)
    return _langchain(ChatOpenRouter(model=MODEL, api_key=KEY, base_url=url, timeout=timeout))


def _chat_openai(url: str, patience: float | None) -> Ask:
    from langchain_openai import ChatOpenAI

    return _langchain(ChatOpenAI(model=MODEL, api_key=KEY, base_url=url, timeout=patience))


def _llama_index_openrouter(url: str, patience: float | None) -> Ask:
    from llama_index.llms.openrouter import OpenRouter

    more = {"timeout": patience} if patience else {}
    return _llama_index(OpenRouter(model=MODEL, api_key=KEY, api_base=url, **more))


CLIENTS: Final[dict[str, Callable[[str, float | None], Ask]]] = {
    "openrouter-opts[langchain]": _ours_in_langchain,
    "openrouter-opts[llamaindex]": _ours_in_llama_index,
    "langchain-openrouter": _langchain_openrouter,
    "langchain-openai": _chat_openai,
    "llama-index-llms-openrouter": _llama_index_openrouter,
}


def _langchain(model: Any) -> Ask:
    def ask(stream: bool) -> Iterator[tuple[str, Any]]:
        text = ""
        for message in model.stream("hi") if stream else [model.invoke("hi")]:
            text += message.text
            yield text, message.response_metadata.get("finish_reason")

    return ask


def _llama_index(model: Any) -> Ask:
    from llama_index.core.llms import ChatMessage

    def ask(stream: bool) -> Iterator[tuple[str, Any]]:
        messages = [ChatMessage("hi")]
        for response in model.stream_chat(messages) if stream else [model.chat(messages)]:
            yield response.message.content or "", None

    return ask


def main(name: str, url: str, kind: str, patience: str) -> None:
    """Ask once; print the text, the finish reason, and the error with what it tells."""
    ended: dict[str, Any] = {"version": version(name.partition("[")[0]), "text": "", "finish_reason": None}
    try:
        for text, reason in CLIENTS[name](url, float(patience) or None)(kind == "stream"):
            ended |= {"text": text, "finish_reason": reason or ended["finish_reason"]}
    except Exception as error:  # noqa: BLE001 - how a client fails is what is asked
        cls = type(error)
        ended |= {
            "module": cls.__module__,
            "error": cls.__name__,
            "message": f"{error} {error!r} {vars(error)}",
        }
    print(json.dumps(ended))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
