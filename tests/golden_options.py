"""For every option, the request that it makes, to the byte: `golden/options.json`, one line each.

`python -m tests.golden_options` writes the file anew, through `OpenRouterClient`; the tests go through the frameworks.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from openrouter_opts import OpenRouterClient
from openrouter_opts.options import OPTIONS
from openrouter_opts.sandbox import Sandbox
from openrouter_opts.sandbox.seen import SeenRequest
from tests.option_examples import EXAMPLES

FILE: Final = Path(__file__).parent / "golden" / "options.json"

# A model is no fallback of itself, routing has something to choose from only where there are many endpoints, and images come from few
# models.
_MODELS: Final = {
    "models": "openai/gpt-4o-mini",
    "provider": "meta-llama/llama-3.3-70b-instruct",
    "modalities": "google/gemini-2.5-flash-image",
    "image_config": "google/gemini-2.5-flash-image",
}
_BESIDE: Final = {"tool_choice": {"tools": EXAMPLES["tools"]}}
_HEADERS: Final = {
    *(option.wire.lower() for option in OPTIONS.values() if option.place == "header"),
    *(name.lower() for name in EXAMPLES["extra_headers"]),
}


def model_for(option: str) -> str:
    """Return a model that takes the example of an option."""
    return _MODELS.get(option, "openai/gpt-5-mini")


def options_for(option: str) -> dict[str, Any]:
    """Return the example of an option, and what it can't do without."""
    return {**_BESIDE.get(option, {}), option: EXAMPLES[option]}


def golden() -> Mapping[str, str]:
    """Return the lines of the file by option."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {
        json.loads(f"{{{line}}}").popitem()[0]: line for line in (each.rstrip(",") for each in lines[1:-1])
    }


def line(option: str, request: SeenRequest) -> str:
    """Write a request as its line: what came, byte by byte, and the headers that options make."""
    headers = {name: value for name, value in request.headers.items() if name in _HEADERS}
    body = request.raw.decode()
    return f'"{option}": {{"body": {body}, "headers": {json.dumps(headers, ensure_ascii=False)}}}'


def _write() -> None:
    lines = []
    with Sandbox(credits="1000") as sandbox:
        client = OpenRouterClient(api_key=sandbox.api_key, base_url=sandbox.base_url, check="off")
        for option in OPTIONS:
            hi = [{"role": "user", "content": "hi"}]
            client.complete(hi, model=model_for(option), provider_options=options_for(option))
            lines.append(line(option, sandbox.last))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("{{\n{}\n}}\n".format(",\n".join(lines)), encoding="utf-8")


if __name__ == "__main__":
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        _write()
