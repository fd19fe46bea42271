"""A proxy's URL shows its user and password to nobody but the network."""

from __future__ import annotations

import copy
import pickle

from openrouter_opts.http.proxies import ProxyUrl


def test_neither_repr_nor_pickle_of_a_proxy_has_its_login_and_a_copy_has():
    url = ProxyUrl("http://user:secret@proxy.example:8080")
    assert "secret" not in repr(url)
    assert "proxy.example:8080" in repr(url)
    assert b"secret" not in pickle.dumps(url)
    assert isinstance(pickle.loads(pickle.dumps(url)), ProxyUrl)
    for same in (copy.copy(url), copy.deepcopy(url)):
        assert str(same) == "http://user:secret@proxy.example:8080"
