"""Who is let in, and where."""

from __future__ import annotations


def test_the_key_is_checked(sandbox, call):
    assert call.request("POST", "/chat/completions", {}, {"Authorization": ""}).status == 401
    wrong = call.request("POST", "/chat/completions", {}, key="sk-or-other")
    assert (wrong.status, wrong.error["metadata"]["error_type"]) == (401, "authentication")
    assert call.get("/key", key="sk-or-other").status == 401
    assert sandbox.credits_used == 0


def test_the_list_for_the_user_needs_the_key(call):
    assert call.request("GET", "/models/user", headers={"Authorization": ""}).status == 401
    assert call.get("/models/user").status == 200


def test_unknown_paths_and_methods_have_the_envelope_too(call):
    assert call.get("/nowhere").error["code"] == 404
    assert call.get("/chat/completions").error["code"] == 405
