"""The shape of the code, checked: who may import whom, how large things may be, and that sync and async are one text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("openrouter_opts", "langchain_openrouter_opts", "llamaindex_openrouter_opts")
FILES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
}
SOURCE = {name: file.read_text(encoding="utf-8") for name, file in FILES.items()}
TREES = {name: ast.parse(source) for name, source in SOURCE.items()}

# One line for each layer, lowest first; an import goes to a lower line. A name stands for the module and all that is in it.
LAYERS = (
    # facts: models, what they can and cost; text, schemas and money as values; locks
    {
        "openrouter_opts.catalog",
        "openrouter_opts.json_schema",
        "openrouter_opts.locks",
        "openrouter_opts.money.cost",
        "openrouter_opts.protocol.surrogates",
        "openrouter_opts.stepping",
    },
    # the wire: its types, its events, reasoning as it comes and as it is sent back; JSON in what a model writes
    {
        "openrouter_opts.json_text",
        "openrouter_opts.protocol.wire",
        "openrouter_opts.protocol.retry_after",
        "openrouter_opts.protocol.sse",
        "openrouter_opts.protocol.reasoning",
    },
    # what would go wrong with a request, by the facts
    {"openrouter_opts.lint"},
    # what is kept of a response
    {"openrouter_opts.response"},
    # what a request may cost: its prompt and what is paid beside it, who serves it at what price, all of it, and made to fit
    {"openrouter_opts.money.pdf"},
    {"openrouter_opts.money.prompt", "openrouter_opts.money.fees"},
    {"openrouter_opts.money.terms"},
    {"openrouter_opts.money.estimate"},
    {"openrouter_opts.money.fit"},
    # the answer as values
    {"openrouter_opts.protocol.completion"},
    # all that can go wrong
    {"openrouter_opts.errors"},
    # what a call cost, as tracers read it
    {"openrouter_opts.tracing"},
    # the figures of limits
    {"openrouter_opts.money.store"},
    # what is cancelled and tidies up all the same; what would keep a loop waiting
    {"openrouter_opts.http.cancellation", "openrouter_opts.http.loops"},
    # where a host is
    {"openrouter_opts.http.addresses", "openrouter_opts.http.urls"},
    # what the user sets: key, address, timeouts; options
    {
        "openrouter_opts.http.proxies",
        "openrouter_opts.http.network",
        "openrouter_opts.http.pools",
        "openrouter_opts.http.reuse",
    },
    # connections, as they are made
    {"openrouter_opts.http.over_aiohttp"},
    {"openrouter_opts.http.connections"},
    {"openrouter_opts.http.secret", "openrouter_opts.http.settings"},
    {"openrouter_opts.options"},
    # what would go wrong, said before sending
    {"openrouter_opts.preflight"},
    # what a server says, without the keys that it echoes
    {"openrouter_opts.protocol.echoes"},
    # what content parts are; the server's word on what went wrong; values as JSON
    {
        "openrouter_opts.protocol.parts",
        "openrouter_opts.protocol.failure",
        "openrouter_opts.protocol.encoding",
    },
    # values from JSON; requests
    {"openrouter_opts.protocol.decode", "openrouter_opts.protocol.request"},
    # the log
    {"openrouter_opts.http.logs"},
    # chunks to an answer; an answer to what the next request sends back; vectors, asked for and read
    {
        "openrouter_opts.protocol.assemble",
        "openrouter_opts.protocol.embeddings",
        "openrouter_opts.protocol.replay",
    },
    # the books: a request, as it becomes known; limits; scopes, and who is admitted; what is found out later; the account of a call
    {"openrouter_opts.money.record"},
    {"openrouter_opts.money.entry", "openrouter_opts.money.report"},
    {"openrouter_opts.money.limits", "openrouter_opts.money.sums", "openrouter_opts.money.threads"},
    {"openrouter_opts.money.tracking", "openrouter_opts.money.admission"},
    {"openrouter_opts.money.reconcile"},
    {"openrouter_opts.money.background"},
    {"openrouter_opts.money.account"},
    # what to do about a failure
    {"openrouter_opts.http.retry", "openrouter_opts.http.faults"},
    # the steps of a call, and how long each may take
    {"openrouter_opts.http.steps"},
    # an answer, judged
    {"openrouter_opts.http.reading"},
    # the life of a call, decided
    {"openrouter_opts.http.exchange"},
    # prices, asked for on the way
    {"openrouter_opts.http.prices"},
    # the life of a call, performed
    {"openrouter_opts.http.drive", "openrouter_opts.http.transport"},
    # a call, watched from outside
    {"openrouter_opts.telemetry"},
    # a call, ready to be made
    {"openrouter_opts.call", "openrouter_opts.answers"},
    # a stream in the hand
    {"openrouter_opts.stream"},
    # all of it under one name
    {"openrouter_opts.client"},
    # what a framework's model is made of: what nobody sees of it, its limit, its client
    {"openrouter_opts.discreet"},
    {"openrouter_opts.limited"},
    {"openrouter_opts.built"},
    # who may not take the key
    {"openrouter_opts.loading"},
    {"openrouter_opts"},
    # the frameworks
    {"langchain_openrouter_opts", "llamaindex_openrouter_opts"},
    # the command
    {"openrouter_opts.cli"},
)
# Beside the layers: an OpenRouter of one's own, which shares only the catalogue with the client that talks to it.
SANDBOX = "openrouter_opts.sandbox"
# Packages that only group their modules.
GROUPS = {"openrouter_opts.protocol", "openrouter_opts.http", "openrouter_opts.money"}


def imports(name: str) -> Iterator[str]:
    """Return what a module imports, as modules of ours or as top-level names of others."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            assert node.module
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in FILES else node.module


def of_ours(name: str) -> set[str]:
    return {each for each in imports(name) if each.split(".")[0] in PACKAGES}


def layer_of(name: str) -> int:
    """Return the number of the layer of a module, by the longest name that it is in."""
    best, number = "", -1
    for level, names in enumerate(LAYERS):
        for each in names:
            if (name == each or name.startswith(f"{each}.")) and len(each) > len(best):
                best, number = each, level
    return number


def home_of(name: str) -> str:
    return max((each for names in LAYERS for each in names if f"{name}.".startswith(f"{each}.")), key=len)


CORE = [name for name in FILES if name not in GROUPS and not name.startswith(SANDBOX)]


@pytest.mark.parametrize("name", CORE)
def test_a_module_has_its_own_line_in_the_layers(name: str):
    home = home_of(name)
    assert home != "openrouter_opts" or name == "openrouter_opts", "give the module a line in LAYERS"


@pytest.mark.parametrize("name", CORE)
def test_imports_only_go_down(name: str):
    for other in of_ours(name) - GROUPS:
        if other.startswith(SANDBOX):
            assert home_of(name) == "openrouter_opts.cli", f"{name} imports the sandbox"
        elif home_of(other) != home_of(name):
            assert layer_of(other) < layer_of(name), f"{name} imports {other}"


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_a_package_that_groups_modules_imports_none(name: str):
    assert of_ours(name) == set()


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(SANDBOX)])
def test_the_sandbox_shares_only_the_catalogue(name: str):
    others = {other for other in of_ours(name) if not other.startswith(SANDBOX)}
    assert all(other.startswith("openrouter_opts.catalog") for other in others), others


@pytest.mark.parametrize("name", FILES)
def test_what_a_module_may_import_of_others(name: str):
    """The HTTP library stays in two files, and each framework in its own package."""
    theirs = {each.split(".")[0] for each in imports(name)}
    places = {
        "httpx": {"openrouter_opts.http.transport", "openrouter_opts.http.connections"},
        "httpcore": {"openrouter_opts.http.network"},
        "httpx_aiohttp": {"openrouter_opts.http.connections"},
        "aiohttp": {"openrouter_opts.http.over_aiohttp"},
        "requests": set[str](),
        "langchain_core": {"langchain_openrouter_opts", "openrouter_opts.cli"},
        "langchain": {"langchain_openrouter_opts", "openrouter_opts.cli"},
        "langchain_protocol": {"langchain_openrouter_opts"},
        "langgraph": {"langchain_openrouter_opts.middleware", "openrouter_opts.cli"},
        "llama_index": {"llamaindex_openrouter_opts", "openrouter_opts.cli"},
        "opentelemetry": {"openrouter_opts.telemetry.otel"},
        "starlette": {SANDBOX},
        "uvicorn": {SANDBOX},
        "pytest": {f"{SANDBOX}.fixture"},
        "typer": {"openrouter_opts.cli"},
        "rich": {"openrouter_opts.cli", "openrouter_opts.money.report", "openrouter_opts.money.sums"},
    }
    for library in theirs & places.keys():
        assert any(f"{name}.".startswith(f"{place}.") for place in places[library]), (
            f"{name} imports {library}"
        )


def test_the_layers_name_only_what_exists():
    named = {name for names in LAYERS for name in names}
    assert named <= FILES.keys()
    assert FILES.keys() >= GROUPS


# --- sizes and names ---


@pytest.mark.parametrize("name", FILES)
def test_files_stay_short(name: str):
    assert len(SOURCE[name].splitlines()) < 400


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function but for its documentation, that of its attributes included."""
    words = [
        node for node in function.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - sum((each.end_lineno or 0) - each.lineno + 1 for each in words)


@pytest.mark.parametrize("name", FILES)
def test_functions_stay_short(name: str):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert body_lines(node) < 40, f"{name}.{node.name}"


def test_modules_are_named_for_what_they_do():
    nameless = {"utils", "util", "helpers", "base", "common", "misc", "tools_utils"}
    assert not [name for name in FILES if name.split(".")[-1] in nameless]


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_left_open(name: str):
    """No module has a mark of unfinished work; the marks stand here to be looked for."""
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b|noqa: C901", SOURCE[name])


# --- sync and async are one text ---


class Plain(ast.NodeTransformer):
    """Takes the `async` out of a tree, and the names that differ because of it."""

    NAMES: ClassVar = {
        "__anext__": "__next__",
        "__aiter__": "__iter__",
        "__aenter__": "__enter__",
        "__aexit__": "__exit__",
        "StopAsyncIteration": "StopIteration",
        "AsyncBegunWithin": "BegunWithin",
        "AsyncGenerator": "Generator",
        "AsyncIterator": "Iterator",
        "AsyncStream": "Stream",
        "AsyncWire": "Wire",
        "SyncWire": "Wire",
        "async_wire": "wire",
        "async_pool": "pool",
        "aclose": "close",
        "aclosing": "closing",
        "adrive": "drive",
        "anext": "next",
        "asend": "send",
        "athrow": "throw",
        "asyncio": "time",
        "_afetch": "_fetch",
        "awrap_model_call": "wrap_model_call",
        "awrap_tool_call": "wrap_tool_call",
    }
    TWINS = frozenset(
        {
            *("complete", "stream", "models", "endpoints", "zdr_endpoints"),
            *("embed", "embedding_models", "providers", "key", "credits", "generation"),
        }
    )
    FUNCTIONS = frozenset({"reconcile", "watched", "within"})

    def name(self, name: str) -> str:
        return (
            name[1:]
            if name[:1] == "a" and name[1:] in self.TWINS | self.FUNCTIONS
            else self.NAMES.get(name, name)
        )

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.visit_FunctionDef(ast.FunctionDef(**vars(node)))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self.name(node.name)
        if ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self.name(node.name)
        if ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        self.generic_visit(node)
        return ast.For(**vars(node))

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        return ast.With(**vars(node))

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.is_async = 0
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.name(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self.name(node.attr)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """`Generator[X, None, None]` is the plain form of `AsyncGenerator[X, None]`, and `X` that of `Awaitable[X]`."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "Awaitable":
            return node.slice
        if isinstance(node.value, ast.Name) and node.value.id == "Generator":
            assert isinstance(node.slice, ast.Tuple)
            node.slice = ast.Tuple(node.slice.elts[:1], ast.Load())
        return node


def plain(node: ast.AST) -> str:
    """Return the source of a tree without `async`."""
    copy = ast.parse(ast.unparse(node)).body[0]
    return ast.unparse(ast.fix_missing_locations(Plain().visit(copy)))


def defined(module: str) -> dict[str, ast.AST]:
    return {
        node.name: node
        for node in TREES[module].body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }


def methods(module: str, cls: str) -> dict[str, ast.AST]:
    node = defined(module)[cls]
    assert isinstance(node, ast.ClassDef)
    return {each.name: each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(
    ("module", "sync", "asynchronous"),
    [
        ("openrouter_opts.http.drive", "drive", "adrive"),
        ("openrouter_opts.http.drive", "Wire", "AsyncWire"),
        ("openrouter_opts.stepping", "within", "awithin"),
        ("openrouter_opts.stepping", "BegunWithin", "AsyncBegunWithin"),
        ("openrouter_opts.telemetry.watching", "watched", "awatched"),
        ("openrouter_opts.stream", "Stream", "AsyncStream"),
        ("openrouter_opts.money.reconcile", "reconcile", "areconcile"),
    ],
)
def test_the_async_side_is_the_sync_side_with_await(module: str, sync: str, asynchronous: str):
    names = defined(module)
    assert plain(names[asynchronous]) == plain(names[sync])


@pytest.mark.parametrize(
    ("module", "cls", "method"),
    [
        ("prompt_caching", "PromptCachingMiddleware", "wrap_model_call"),
        ("spend_limit", "SpendLimitMiddleware", "wrap_model_call"),
        ("spend_limit", "SpendLimitMiddleware", "wrap_tool_call"),
    ],
)
def test_the_async_side_of_a_middleware_is_the_sync_side_with_await(module: str, cls: str, method: str):
    own = methods(f"langchain_openrouter_opts.middleware.{module}", cls)
    assert plain(own[f"a{method}"]) == plain(own[method])


def test_a_call_is_driven_in_one_text():
    own = methods("openrouter_opts.call", "Call")
    assert plain(own["adrive"]) == plain(own["drive"])


def test_the_wires_do_the_same_steps():
    """How they wait for the server, and close, differs, since only the async side can be interrupted; which steps there are does not."""
    module = "openrouter_opts.http.transport"
    sync, asynchronous = methods(module, "SyncWire"), methods(module, "AsyncWire")
    assert plain(asynchronous["perform"]) == plain(sync["perform"])
    assert asynchronous.keys() == sync.keys()


CLIENT = methods("openrouter_opts.client", "OpenRouterClient")


def test_every_public_method_of_the_client_has_its_twin():
    asks_nobody = {"estimate_cost"}
    public = {name for name in CLIENT if not name.startswith("_")} - asks_nobody
    assert public == Plain.TWINS | {f"a{name}" for name in Plain.TWINS}


@pytest.mark.parametrize("name", sorted(Plain.TWINS))
def test_the_twins_of_the_client_are_one_text(name: str):
    assert steps(CLIENT[f"a{name}"]) == steps(CLIENT[name])


def test_fetching_is_one_text():
    assert steps(CLIENT["_afetch"]) == steps(CLIENT["_fetch"])


def steps(method: ast.AST) -> str:
    """Return a method in plain form, with `[item async for item in driven]` written as `list(driven)` in place."""
    text = plain(method)
    driven = re.search(r"^\s+driven = (.*)\n", text, re.MULTILINE)
    if driven:
        text = text.replace(driven[0], "").replace("[item for item in driven]", f"list({driven[1]})")
    return text
