"""Requests that OpenRouter would refuse."""

from __future__ import annotations

import pytest

from openrouter_opts.sandbox.check.request import check

HI = [{"role": "user", "content": "hi"}]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f"}}
PNG = "data:image/png;base64,iVBORw0KGgo="


def parts(*content):
    return {"messages": [{"role": "user", "content": list(content)}]}


def hi(**more):
    return {"messages": HI, **more}


def answering(**keywords):
    schema = {"type": "object", "properties": {"a": keywords}}
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def deferred(**search):
    return {"protocol": "v1", "profile": "portable", "validation": "runtime", "search": search}


REFUSED = [
    ({}, 'Input required: specify "prompt" or "messages"'),
    ([], "expected an object, received an array"),
    ({"messages": []}, "messages: must have at least 1 item"),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Required"),
    ({"messages": [{"content": "hi"}]}, "messages.0.role: Required"),
    ({"messages": [{"role": "human", "content": "hi"}]}, "messages.0.role: 'human' is not a message role"),
    (
        {"messages": [{"role": "user", "content": 3}]},
        "messages.0.content: expected a string, received a number",
    ),
    (
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
        "messages.0.content.0.type",
    ),
    (parts({"type": "imge_url"}), "did you mean 'image_url'?"),
    (parts({"type": "text"}), "messages.0.content.0.text: Required"),
    (parts({"type": "image_url", "image_url": PNG}), "messages.0.content.0.image_url: expected an object"),
    (
        parts({"type": "image_url", "image_url": {"url": "file:///cat.png"}}),
        "neither an http(s) URL nor a data URL",
    ),
    (
        parts({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}),
        "unsupported image format 'image/tiff'",
    ),
    (parts({"type": "image_url", "image_url": {"url": "data:image/png;base64,%%"}}), "is not valid base64"),
    (
        parts({"type": "image_url", "image_url": {"url": PNG, "detail": "max"}}),
        "image_url.detail: 'max' is not one of auto, low",
    ),
    (
        parts({"type": "input_audio", "input_audio": {"data": "https://example.com/a.wav", "format": "wav"}}),
        "not an address",
    ),
    (
        parts({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "midi"}}),
        "input_audio.format: 'midi'",
    ),
    (
        parts({"type": "text", "text": "hi", "cache_control": {"type": "forever"}}),
        "cache_control.type: 'forever'",
    ),
    (
        parts(*[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5),
        "A maximum of 4 blocks with cache_control",
    ),
    (
        parts(*[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 4)
        | {"cache_control": {"type": "ephemeral"}},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (
        parts(
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "y", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ),
        "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.",
    ),
    (
        parts({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}})
        | {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        "a ttl='1h' cache_control block must not come after",
    ),
    ({"messages": [*HI, {"role": "tool", "content": "x"}]}, "messages.1.tool_call_id: Required"),
    (
        {"messages": [*HI, {"role": "tool", "content": "x", "tool_call_id": "c9"}]},
        "'c9' answers no tool call",
    ),
    (
        {"messages": [*HI, {"role": "assistant", "tool_calls": [CALL]}, *HI]},
        "tool call 'c1' has no tool message",
    ),
    ({"messages": [*HI, {"role": "assistant", "tool_calls": [CALL]}]}, "tool call 'c1' has no tool message"),
    (
        {"messages": [*HI, {"role": "assistant", "tool_calls": [{"id": "c1", "function": {}}]}]},
        "messages.1.tool_calls.0.type: Required",
    ),
    (
        {"messages": [*HI, {"role": "assistant", "reasoning_details": [{"text": "x"}]}]},
        "reasoning_details.0.type: Required",
    ),
    (hi(models=["a/b"] * 4), "'models' array must have 3 items or fewer."),
    (hi(model=3), "model: expected a string, received a number"),
    (hi(stream="yes"), "stream: expected a boolean, received a string"),
    (hi(max_tokens=0), "max_tokens: must be at least 1, is 0"),
    (hi(max_tokens=1.5), "max_tokens: expected an integer"),
    (hi(temperature=3), "temperature: must be at most 2, is 3"),
    (hi(temperature=True), "temperature: expected a number, received a boolean"),
    (hi(top_p=0), "top_p: must be greater than 0, is 0"),
    (hi(top_k=-1), "top_k: must be at least 0"),
    (hi(stop=["a"] * 5), "'stop' array must have 4 items or fewer."),
    (hi(top_logprobs=2), "top_logprobs: needs logprobs: true"),
    (hi(logprobs=True, top_logprobs=21), "top_logprobs: must be at most 20"),
    (hi(logit_bias={"fifty": 1}), "logit_bias.fifty"),
    (hi(metadata={"a": 1}), "metadata.a: expected a string"),
    (hi(metadata={str(i): "x" for i in range(17)}), "metadata: must have at most 16 entries, has 17"),
    (hi(session_id="x" * 257), "session_id: must have at most 256 characters"),
    (hi(service_tier="fastest"), "service_tier: 'fastest' is not one of"),
    (hi(verbosity="loud"), "verbosity: 'loud'"),
    (hi(modalities=["smell"]), "modalities.0: 'smell'"),
    (hi(modalities=["text", "audio"]), "audio output requires stream: true"),
    (hi(reasoning={"effort": "huge"}), "reasoning.effort: 'huge'"),
    (
        hi(reasoning={"effort": "low"}, reasoning_effort="high"),
        "reasoning_effort: 'high' differs from reasoning.effort: 'low'",
    ),
    (hi(reasoning={"effort": "low", "max_tokens": 2000}), 'only one of "effort" and "max_tokens"'),
    (hi(provider={"ordr": ["x"]}), "provider: Unrecognized key 'ordr'; did you mean 'order'?"),
    (hi(provider={"order": "x"}), "provider.order: expected an array"),
    (hi(provider={"sort": "prize"}), "provider.sort: 'prize' is not one of price"),
    (hi(provider={"sort": {"by": "price", "partition": "all"}}), "provider.sort.partition: 'all'"),
    (hi(provider={"data_collection": "maybe"}), "provider.data_collection: 'maybe'"),
    (hi(provider={"quantizations": ["fp7"]}), "provider.quantizations.0: 'fp7'"),
    (hi(provider={"max_price": {"prompt": "cheap"}}), "provider.max_price.prompt"),
    (hi(provider={"max_price": {"input": 1}}), "provider.max_price: Unrecognized key 'input'"),
    (hi(plugins=[{"id": "webb"}]), "plugins.0.id: 'webb' is not a plugin id"),
    (hi(plugins=[{"id": "web", "max_results": 0}]), "plugins.0.max_results: must be at least 1"),
    (hi(plugins=[{"id": "alignment"}]), "plugins.0.rules: Required"),
    (hi(tools=[{"type": "function"}]), "tools.0.function: Required"),
    (hi(tools=[{"type": "function", "function": {"name": "two words"}}]), "tools.0.function.name"),
    (hi(tools=[{"type": "magic"}]), "tools.0.type: 'magic' is not a tool type"),
    (hi(tools=[{"type": "openrouter:shell"}]), "openrouter:shell is not available on chat completions"),
    (
        hi(tools=[{"type": "openrouter:web_search", "parameters": {"max_results": 99}}]),
        "tools.0.parameters.max_results",
    ),
    (
        hi(
            tools=[
                {
                    "type": "openrouter:web_search",
                    "parameters": {"allowed_domains": ["a.com"], "excluded_domains": ["b.com"]},
                }
            ]
        ),
        'tools.0.parameters: only one of "allowed_domains" and "excluded_domains"',
    ),
    (
        hi(tools=[{"type": "web_search", "allowed_domains": ["a.com"], "excluded_domains": ["b.com"]}]),
        'tools.0: only one of "allowed_domains" and "excluded_domains"',
    ),
    *(
        (
            hi(tools=[{"type": "openrouter:subagent", "parameters": {name: value}}]),
            f"tools.0.parameters.{name}: is of the Responses API",
        )
        for name, value in {"inherit_functions": True, "inherited_function_names": ["f"]}.items()
    ),
    (
        hi(tools=[{"type": "openrouter:subagent", "parameters": {"max_tool_calls": 26}}]),
        "tools.0.parameters.max_tool_calls: must be at most 25",
    ),
    (hi(stop_server_tools_when=[{"type": "bogus"}]), "stop_server_tools_when.0.type: 'bogus'"),
    (
        hi(stop_server_tools_when=[{"type": "step_count_is"}]),
        "stop_server_tools_when.0.step_count: Required",
    ),
    (
        hi(stop_server_tools_when=[{"type": "max_cost", "max_cost_in_dollars": "1"}]),
        "stop_server_tools_when.0.max_cost_in_dollars: expected a number",
    ),
    (hi(deferred_tools=deferred(type="nonsense")), "deferred_tools.search.type: 'nonsense'"),
    (hi(deferred_tools=deferred()), "deferred_tools.search.type: Required"),
    (hi(deferred_tools=deferred(type="custom", tool_id="t")), "deferred_tools.search.result_key: Required"),
    (
        hi(deferred_tools=deferred(type="bm25", max_results=101)),
        "deferred_tools.search.max_results: must be at most 100",
    ),
    (hi(tools=[TOOL], tool_choice={"type": "bogus"}), "tool_choice.type: 'bogus' is not a tool choice"),
    (hi(tools=[TOOL], tool_choice={"type": "openrouter:shell"}), "is not available on chat completions"),
    (
        {
            "messages": [
                {**HI[0], "role": "system", "configuration_update": {"reasoning": {"effort": "huge"}}}
            ]
        },
        "effort: 'huge'",
    ),
    (hi(temperature=10**400), "temperature: is too large for a number"),
    (hi(provider={"preferred_min_throughput": 10**400}), "provider.preferred_min_throughput: is too large"),
    (hi(provider={"max_price": {"prompt": "1e9999999999999999999"}}), "provider.max_price.prompt"),
    (hi(tools=[TOOL, TOOL]), "Tool names must be unique; 'f' comes twice"),
    (hi(tools=[TOOL], tool_choice="requird"), "did you mean 'required'?"),
    (hi(tool_choice="required"), "tool_choice: is only allowed when tools are specified"),
    (
        hi(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}),
        "'g' is not among the tools (f)",
    ),
    (hi(response_format={"type": "json_schema"}), "response_format.json_schema: Required"),
    (
        hi(response_format={"type": "json_schema", "json_schema": {"name": "a b"}}),
        "response_format.json_schema.name",
    ),
    (hi(response_format={"type": "xml"}), "response_format.type: 'xml'"),
    (hi(response_format=answering(minimum="a")), "schema.properties.a.minimum: expected a number"),
    (hi(response_format=answering(items={"type": 5})), "schema.properties.a.items.type: expected a string"),
    (hi(response_format=answering(anyOf=[{"maxItems": -1}])), "schema.properties.a.anyOf.0.maxItems"),
    (hi(response_format=answering(multipleOf=0)), "schema.properties.a.multipleOf: must be greater than 0"),
    (
        hi(tools=[{"type": "function", "function": {"name": "f", "parameters": {"required": "a"}}}]),
        "tools.0.function.parameters.required: expected an array",
    ),
    (
        {"messages": [*HI, {"role": "assistant", "annotations": [{"type": "file"}]}]},
        "messages.1.annotations.0.file: Required",
    ),
]


@pytest.mark.parametrize(("body", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_a_wrong_request_is_refused_with_the_reason_and_the_place(body, told):
    refusal = check(body)
    assert refusal is not None
    assert refusal.status == 400
    assert told in refusal.message


ACCEPTED = [
    hi(),
    {"prompt": "hi"},
    hi(made_up="by a provider", n=1),
    hi(temperature=None, top_p=1, top_k=0, seed=-1, stop="x", max_tokens=None, logit_bias={"50256": -100}),
    hi(provider=None),
    hi(
        provider={
            "max_price": {"prompt": 1, "completion": "2.5"},
            "sort": "price",
            "zdr": None,
            "options": {"x": {}},
        }
    ),
    hi(provider={"sort": {"by": None, "partition": "none"}, "preferred_max_latency": {"p90": 3}}),
    hi(reasoning={"effort": "low"}, reasoning_effort="low"),
    hi(
        tools=[
            TOOL,
            {"type": "openrouter:datetime"},
            {"type": "openrouter:new_thing"},
            {"type": "web_search"},
        ]
    ),
    hi(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}}),
    hi(tools=[{"type": "openrouter:web_search"}], tool_choice={"type": "openrouter:web_search"}),
    hi(tools=[{"type": "web_search"}], tool_choice={"type": "web_search"}),
    hi(
        tools=[{**TOOL, "defer_loading": True}],
        tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [TOOL]},
        deferred_tools=deferred(type="custom", tool_id="t", result_key="names", max_results=100),
    ),
    hi(
        stop_server_tools_when=[
            {"type": "step_count_is", "step_count": 3},
            {"type": "has_tool_call", "tool_name": "f"},
            {"type": "max_tokens_used", "max_tokens": 100},
            {"type": "max_cost", "max_cost_in_dollars": 0.5},
            {"type": "finish_reason_is", "reason": "length"},
        ]
    ),
    hi(tools=[{"type": "openrouter:subagent", "parameters": {"tools": [{"type": "openrouter:datetime"}]}}]),
    hi(tools=[{"type": "openrouter:web_search", "parameters": {"allowed_domains": ["a.com"]}}]),
    hi(response_format=answering(type=["string", "null"], items=True, exclusiveMinimum=False)),
    hi(response_format=answering(properties={"minimum": {"type": "string"}}, unheard_of=5)),
    hi(
        stream_options={"include_usage": True},
        usage={"include": True},
        route="fallback",
        transforms=["middle-out"],
    ),
    hi(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}, "strict": None}}),
    hi(metadata={"a": "b"}, trace={"trace_id": "x", "mine": 1}, session_id="x" * 256, user="u"),
    {
        "messages": [
            *HI,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "1", "tool_call_id": "c1"},
        ]
    },
    {"messages": [*HI, {"role": "assistant", "content": "so far"}]},
    {"messages": [{"role": "developer", "content": [{"type": "text", "text": "x"}]}, *HI]},
    parts(
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ),
    parts(
        {"type": "file", "file": {"file_id": "f1"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
    ),
]


@pytest.mark.parametrize("body", ACCEPTED)
def test_a_right_request_passes(body):
    assert check(body) is None


def test_the_refusal_comes_in_the_error_envelope(call):
    reply = call.chat("hi", temperature=9)
    assert reply.status == reply.error["code"] == 400
    assert reply.error["message"] == "temperature: must be at most 2, is 9"
    assert reply.error["metadata"] == {"error_type": "invalid_request"}
    assert reply.json["user_id"]
    assert reply.headers["x-generation-id"].startswith("gen-")


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "hi", "tool_calls": 5, "reasoning_details": "x"}]},
        {"messages": [{"role": "system", "content": "hi", "annotations": 5}, *HI]},
        hi(tools=[{"type": "openrouter:web_search", "max_results": "many"}]),
        hi(tools=[{"type": "web_search", "parameters": 5}]),
        hi(plugins=[{"id": "web", "max_results": 10**300}]),
        {"messages": [{"role": "user", "content": "\ud800"}]},
        hi(response_format=answering(type="array", minItems=10**300)),
        hi(response_format=answering(type="string", minLength=10**300)),
        hi(response_format=answering(type="string", pattern="a{9999999999}")),
        hi(response_format=answering(type="number", multipleOf=1e-320)),
    ],
)
def test_what_is_odd_but_allowed_is_answered(call, body):
    assert call.chat(**body).status == 200


LARGE = "1" + "0" * 400


@pytest.mark.parametrize(
    "options",
    [
        '"max_tokens": 5.0',
        '"max_completion_tokens": 5.0',
        '"logprobs": true, "top_logprobs": 2.0',
        '"plugins": [{"id": "web", "max_results": 2.0}]',
        '"top_k": 1e1, "seed": -0.0',
    ],
)
def test_a_whole_number_may_be_written_with_a_point(call, options):
    raw = f'{{"model": "openai/gpt-4o-mini", "prompt": "What is 12 * 7?", {options}}}'.encode()
    assert call.request("POST", "/chat/completions", raw).status == 200
    streamed = raw.replace(b'"prompt"', b'"stream": true, "prompt"')
    assert call.request("POST", "/chat/completions", streamed).raw.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (f'"temperature": {LARGE}', "temperature: is too large"),
        (f'"temperature": -{LARGE}', "temperature: is too large"),
        (f'"max_tokens": {LARGE}', "max_tokens: is too large"),
        (f'"seed": {LARGE}', "seed: is too large"),
        (f'"provider": {{"preferred_max_latency": {LARGE}}}', "provider.preferred_max_latency: is too large"),
        ('"temperature": 1e400', "The body is not valid JSON"),
    ],
)
def test_a_number_beyond_all_bounds_is_refused(call, options, told):
    raw = f'{{"prompt": "hi", {options}}}'.encode()
    reply = call.request("POST", "/chat/completions", raw)
    assert reply.status == 400
    assert reply.error["message"].startswith(told)


@pytest.mark.parametrize("raw", [b"{", b"", b'{"temperature": NaN}', b"\xff"])
def test_a_body_that_is_not_json_is_refused(call, raw):
    reply = call.request("POST", "/chat/completions", raw)
    assert (reply.status, reply.error["message"]) == (400, "The body is not valid JSON")


def test_a_change_of_the_configuration_is_taken_by_one_model_alone(call):
    update = {"role": "system", "content": "", "configuration_update": {"reasoning": {"effort": "high"}}}
    refused = call.chat(messages=[update, *HI])
    assert refused.status == 400
    assert "messages.0.configuration_update" in refused.error["message"]
    assert "openai/gpt-5-mini" in refused.error["message"]
    assert call.chat(model="openai/gpt-6-astra", messages=[update, *HI]).status == 200
    nothing = {**update, "configuration_update": None}
    assert call.chat(messages=[nothing, *HI]).status == 200
