"""What is public is listed, sorted and explained."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import langchain_openrouter_opts
import llamaindex_openrouter_opts
import openrouter_opts
from openrouter_opts import options, sandbox, telemetry

PACKAGES = [
    openrouter_opts,
    options,
    sandbox,
    telemetry,
    langchain_openrouter_opts,
    llamaindex_openrouter_opts,
]
packages = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)


def as_ruff_sorts(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then the rest."""
    return not name.isupper(), not name[0].isupper(), name


@packages
def test_the_list_of_public_names_is_sorted_and_holds_no_name_twice(package: ModuleType):
    assert list(package.__all__) == sorted(set(package.__all__), key=as_ruff_sorts)


@packages
def test_every_listed_name_is_there(package: ModuleType):
    for name in package.__all__:
        assert getattr(package, name) is not None


@packages
def test_every_name_that_a_package_takes_from_its_modules_is_listed(package: ModuleType):
    """Read from the source, since some are imported only when they are asked for."""
    taken = {
        alias.name
        for node in ast.walk(ast.parse(inspect.getsource(package)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package.__name__)
        for alias in node.names
        if not alias.name.startswith("_")
    }
    assert taken <= set(package.__all__)


def public_classes(package: ModuleType) -> Iterator[tuple[str, Any]]:
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value


@packages
def test_every_public_name_is_explained(package: ModuleType):
    assert package.__doc__
    for name, value in public_classes(package):
        # A class without its own gets its parent's, and a dataclass its signature: neither explains it.
        own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        assert own, name
        assert not own.startswith(f"{name}("), name


@packages
def test_every_public_method_is_explained(package: ModuleType):
    for name, value in public_classes(package):
        if not inspect.isclass(value):
            continue
        for member, what in vars(value).items():
            ours = inspect.isfunction(what) or isinstance(what, property | classmethod | staticmethod)
            if ours and not member.startswith("_"):
                assert inspect.getdoc(getattr(value, member)), f"{name}.{member}"


@pytest.mark.parametrize("package", PACKAGES[:1] + PACKAGES[4:], ids=lambda package: package.__name__)
def test_every_module_can_be_imported_and_says_what_it_is_for(package: ModuleType):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            assert importlib.import_module(module.name).__doc__, module.name


def loaded_by(module: str) -> set[str]:
    """Return the top-level names that an import brings in, in a process of its own."""
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_core_brings_in_no_framework():
    loaded = loaded_by("openrouter_opts")
    assert not loaded & {
        "langchain_core",
        "llama_index",
        "aiohttp",
        "starlette",
        "uvicorn",
        "typer",
        "requests",
    }


def test_calls_bring_in_no_telemetry_that_nobody_has_switched_on():
    assert "opentelemetry" not in loaded_by("openrouter_opts.client")


def test_models_and_chains_do_not_bring_in_agents():
    loaded = loaded_by("langchain_openrouter_opts")
    assert not loaded & {"langchain", "langgraph"}


def test_one_framework_does_not_bring_in_the_other():
    assert "llama_index" not in loaded_by("langchain_openrouter_opts")
    assert "langchain_core" not in loaded_by("llamaindex_openrouter_opts")
