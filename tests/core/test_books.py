"""Our books against those of an account: hundreds of calls of every kind and fate, and no digit between them."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_opts import OpenRouterClient, SpendLimit, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.random_calls import AMOUNT, ask_above_a_limit, ask_at_random


@pytest.mark.parametrize("seed", range(2))
def test_after_hundreds_of_calls_our_books_are_those_of_the_account(seed: int):
    with Sandbox(credits="1000") as sandbox, track_costs() as spend:
        client = OpenRouterClient(api_key=sandbox.api_key, base_url=sandbox.base_url, check="off")
        ask_at_random(seed, [client], sandbox, spend)


@pytest.mark.parametrize("on_limit", ["refuse", "fit"])
@pytest.mark.parametrize("way", ["threads", "tasks"])
@pytest.mark.parametrize("trouble", [False, True], ids=["calm", "trouble"])
def test_two_hundred_at_once_never_get_above_one_limit(trouble: bool, way: str, on_limit: Any):
    limit = SpendLimit(AMOUNT, on_limit=on_limit)
    with Sandbox(credits="1000") as sandbox:
        where = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
        client = OpenRouterClient(**where, check="off", spend_limit=limit)
        ask_above_a_limit([client], sandbox, limit, way, trouble=trouble)
