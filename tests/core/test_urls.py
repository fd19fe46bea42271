"""A URL shows its user and password to nobody but the network."""

from __future__ import annotations

import copy
import pickle
from urllib.parse import urlsplit

import pytest

from openrouter_opts.http.urls import PrivateUrl, public, unseen


def test_neither_repr_nor_pickle_of_a_url_has_its_login_and_a_copy_has():
    url = unseen("http://user:secret@proxy.example:8080")
    assert isinstance(url, PrivateUrl)
    assert repr(url) == "'http://…@proxy.example:8080'"
    assert pickle.loads(pickle.dumps(url)) == "http://proxy.example:8080"
    for same in (copy.copy(url), copy.deepcopy(url)):
        assert str(same) == "http://user:secret@proxy.example:8080"


@pytest.mark.parametrize(
    "url",
    [
        "https://me:secret@host:8080/v1",
        "https://secret@host:8080/v1",
        "https://me:secret@[::1]:8080/v1",
        # None of these is escaped as it should be, but that is how passwords are pasted.
        *(f"https://me:se{each}cret@host:8080/v1" for each in ("/", "?", "#", "@", "://", "\n", ":8080/")),
        "me:secret@host:8080/v1",
        "https://host:8080/v1?key=secret",
        "https://host:8080/v1#secret",
    ],
)
def test_what_is_private_in_a_url_is_left_out(url: str):
    for shown in (public(url), repr(unseen(url))):
        assert "cret" not in shown
        assert ":8080/v1" in shown


@pytest.mark.parametrize(
    "url",
    [
        "https://openrouter.ai/api/v1",
        "https://host:8080/@team/v1",
        "http://[::1]:8080/@team/v1",
        "host/@team",
        "https://host",
        "host:8080",
        "",
    ],
)
def test_a_url_without_a_login_is_left_as_it_is(url: str):
    assert public(url) == url == unseen(url)
    assert type(unseen(url)) is str
    assert not urlsplit(url).username
