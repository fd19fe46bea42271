"""The one place that knows private names of `langchain`: how `init_chat_model` and `init_embeddings` find classes.

Their tables of providers take no registrations and read no entry points, so a class of another package has to be written into them.
https://github.com/langchain-ai/langchain/blob/master/libs/langchain_v1/langchain/chat_models/base.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_MODULE: Final = "langchain.chat_models.base"
_OURS: Final = "openrouter_opts"
_THEIRS: Final = "openrouter"
_EMBEDDINGS: Final = "langchain.embeddings.base"
_NOT_INSTALLED: Final = "register() is for `init_chat_model` and `create_agent`, which are in langchain: pip install 'langchain>=1.4'"
# Where there is a table, with the function that remembers classes of it, and what takes the place of a name.
_TABLES: Final = (
    (_MODULE, "_get_chat_model_creator", "ChatOpenRouter", "give `create_agent` a `ChatOpenRouter(model=…)`"),
    (
        _EMBEDDINGS,
        "_get_embeddings_class_creator",
        "OpenRouterEmbeddings",
        "make an `OpenRouterEmbeddings(model=…)`",
    ),
)
_MOVED: Final = "{module} keeps its providers otherwise than this version of openrouter-opts knows: {instead} instead of a name, and look for a newer version"


def register(*, replace: bool = False) -> None:
    """Make `init_chat_model` and `create_agent` know this package: ``"openrouter_opts:anthropic/claude-sonnet-4.6"``.

    `init_embeddings` knows it too: ``"openrouter_opts:openai/text-embedding-3-small"``. Works with keyword arguments and with configurable
    fields, and may be called again.

    Args:
        replace: Whether `openrouter:` means this package as well, in this process, instead of `langchain-openrouter`. Only an application
            should ask for that, since the libraries that it uses get the other class too.

    Raises:
        ImportError: `langchain` isn't installed, or keeps its providers otherwise than this package knows.
    """
    # All are looked at before one is written into.
    found = [(*_table(module, creator, instead), cls) for module, creator, cls, instead in _TABLES]
    for table, forget, cls in found:
        entry = ("langchain_openrouter_opts", cls, _made)
        table[_OURS] = entry
        if replace:
            table[_THEIRS] = entry
            # It remembers the other class if it has made models of it.
            forget()


def concrete(model: Any) -> Any:
    """Return the model that one of `init_chat_model` with configurable fields stands for in this call; any other as it is."""
    configurable = getattr(sys.modules.get(_MODULE), "_ConfigurableModel", None)
    make = getattr(configurable, "_model", None)
    if make is None or not isinstance(configurable, type) or not isinstance(model, configurable):
        return model
    made = make(model)
    return getattr(made, "bound", made)


def _table(name: str, creator: str, instead: str) -> tuple[dict[str, Any], Callable[[], None]]:
    """Return a table of providers, and what makes `langchain` forget the classes that it took from there."""
    moved = _MOVED.format(module=name, instead=instead)
    module = _loaded(name, moved)
    table = getattr(module, "_BUILTIN_PROVIDERS", None)
    forget = getattr(getattr(module, creator, None), "cache_clear", None)
    if not isinstance(table, dict) or forget is None or not all(map(_is_entry, table.values())):
        raise ImportError(moved)
    return table, forget


def _loaded(name: str, moved: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name == "langchain":
            raise ImportError(_NOT_INSTALLED) from missing
        if missing.name and name.startswith(missing.name):
            raise ImportError(moved) from missing
        raise


def _is_entry(entry: Any) -> bool:
    match entry:
        case (str(), str(), made):
            return callable(made)
        case _:
            return False


def _made(cls: Callable[..., Any], **given: Any) -> Any:
    return cls(**given)
