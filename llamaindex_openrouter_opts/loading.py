"""A model that LlamaIndex loads takes no key of the environment elsewhere."""

from __future__ import annotations

from typing import Any, Final, Self

from llama_index.core.schema import BaseComponent

from openrouter_opts.loading import refusal_of_the_key
from openrouter_opts.options.secrecy import covered

_REMEDY: Final = "`from_dict(…, api_key=…)`"


class LoadedModel(BaseComponent):
    """A model that can be loaded from what others may have written."""

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """Return the model that `to_dict` has written; `from_json` and the loaders of LlamaIndex come here too.

        Args:
            data: What it has written.
            **kwargs: Further arguments of the constructor, such as `api_key`; they win over what was written.

        Raises:
            ConfigurationError: It would take the key of the environment to an address that came with it, or where others can read it; or an
                argument is wrong.
        """
        # Error trackers show the locals of every frame.
        data, kwargs = covered(data), covered(kwargs)
        came = {name: value for name, value in data.items() if name not in kwargs}
        refusal = refusal_of_the_key(
            key={**data, **kwargs}.get("api_key"),
            url=came.get("api_base") or came.get("base_url"),
            proxy=came.get("proxy"),
            verify=came.get("verify", True),
            remedy=_REMEDY,
        )
        if refusal:
            raise refusal
        return super().from_dict(data, **kwargs)
