"""How these tests talk to a sandbox: with the standard library, so that nothing hides what goes over the wire."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from openrouter_opts.sandbox import Sandbox


@dataclass(frozen=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def message(self) -> dict[str, Any]:
        return self.json["choices"][0]["message"]

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]

    @property
    def lines(self) -> list[str]:
        return [line for line in self.raw.decode().split("\n\n") if line]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        data = [line.removeprefix("data: ") for line in self.lines if line.startswith("data: {")]
        return [json.loads(each) for each in data]


@dataclass(frozen=True)
class Caller:
    """Makes requests to one sandbox."""

    sandbox: Sandbox

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Reply:
        address = urlsplit(self.sandbox.base_url)
        sent = {"Authorization": f"Bearer {key or self.sandbox.api_key}", **(headers or {})}
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
        try:
            data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
            connection.request(method, address.path + path, data, sent)
            response = connection.getresponse()
            return Reply(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Reply:
        return self.request("GET", path, **more)

    def chat(
        self, question: str = "What is 12 * 7?", /, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Reply:
        asked = {"model": "openai/gpt-5-mini", "messages": [{"role": "user", "content": question}], **body}
        return self.request("POST", "/chat/completions", asked, headers)

    def stream(self, question: str = "What is 12 * 7?", /, **body: Any) -> Reply:
        return self.chat(question, stream=True, **body)


@pytest.fixture
def sandbox(openrouter_sandbox: Sandbox) -> Sandbox:
    return openrouter_sandbox


@pytest.fixture
def call(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


@pytest.fixture
def caller() -> Callable[[Sandbox], Caller]:
    return Caller


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
MULTIPLY = {
    "type": "function",
    "function": {
        "name": "multiply",
        "description": "Multiply two numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


@pytest.fixture
def tools() -> list[dict[str, Any]]:
    return [WEATHER, MULTIPLY]
