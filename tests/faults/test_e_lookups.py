"""E, at the smaller endpoints: a 200 that is no answer says as much of itself as that of a chat does."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_opts.errors import ConnectionLost, Malformed, NotFound, OpenRouterError, TimedOut
from tests.faults.aftermath import SOON, in_use
from tests.faults.calls import Callers, Servers
from tests.wire_bytes import answer

WHOLE = answer({"data": {"label": "mine"}}, cf_ray="ray-1")
WRONG: dict[str, tuple[list[Any], type[OpenRouterError]]] = {
    "a page": ([answer(b"<html>Sign in</html>", cf_ray="ray-1")], Malformed),
    "nothing": ([answer(b"", cf_ray="ray-1")], Malformed),
    "another object": ([answer({"x": 1}, cf_ray="ray-1")], Malformed),
    "a list": ([answer([], cf_ray="ray-1")], Malformed),
    "an error": ([answer({"error": {"code": 404, "message": "no"}}, cf_ray="ray-1")], NotFound),
    "reset": ([WHOLE[:-5], 0.05, "RST"], ConnectionLost),
    "silence": ([WHOLE[:-5], "HANG"], TimedOut),
}


@pytest.mark.parametrize("lookup", ["key", "models"])
@pytest.mark.parametrize(("script", "cls"), WRONG.values(), ids=WRONG)
def test_a_lookup_that_is_not_answered_says_what_its_head_said(
    lookup: str, script: list[Any], cls: type[OpenRouterError], scripted: Servers, caller: Callers
):
    client = caller(scripted(script), timeout={"idle": SOON}, max_retries=0)
    with pytest.raises(OpenRouterError) as caught:
        getattr(client, lookup)()
    error = caught.value
    assert type(error) is cls
    assert (error.generation_id, error.request_id, error.delivered, error.attempts) == (
        "gen-1",
        "ray-1",
        "yes",
        1,
    )
    assert error.response is not None
    assert error.response.headers["cf-ray"] == "ray-1"
    assert in_use() == []


def test_an_answer_that_cannot_be_read_says_after_how_many_attempts_it_came(
    scripted: Servers, caller: Callers
):
    busy = answer({"error": {"code": 503, "message": "busy"}}, 503, Retry_After="0")
    with pytest.raises(Malformed) as caught:
        caller(scripted([busy], [answer({"x": 1})])).key()
    assert caught.value.attempts == 2


def test_models_that_cannot_be_read_say_which_answer_it_was(scripted: Servers, caller: Callers):
    with pytest.raises(Malformed, match="the list of models cannot be read") as caught:
        caller(scripted([answer({"data": [{"name": "nameless"}]}, cf_ray="ray-1")])).models()
    assert (caught.value.request_id, caught.value.delivered) == ("ray-1", "yes")
