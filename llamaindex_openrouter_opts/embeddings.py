"""Vectors of OpenRouter's embedding models, for LlamaIndex."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding, dispatcher
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    SkipValidation,
)

from llamaindex_openrouter_opts.construction import dumped_timeout, secret
from llamaindex_openrouter_opts.loading import LoadedModel
from llamaindex_openrouter_opts.runs import CountedModel
from openrouter_opts.built import Built
from openrouter_opts.client import OpenRouterClient
from openrouter_opts.http.loops import Turns
from openrouter_opts.http.settings import TimeoutLike
from openrouter_opts.http.urls import UrlField
from openrouter_opts.limited import Limited
from openrouter_opts.options import ProviderOptions
from openrouter_opts.options.for_embeddings import embedding_fields
from openrouter_opts.options.model_options import OptionsLike, storable, stored
from openrouter_opts.options.secrecy import covered
from openrouter_opts.protocol.embeddings import EncodingFormat, check_settings

_RENAMED: Final = {"model": "model_name", "base_url": "api_base"}


class VectorMethods:
    """How each kind of text is embedded.

    Beside LlamaIndex's class and not below it, since what overrides an abstract method of its becomes a span of its own.
    """

    if TYPE_CHECKING:
        query_input_type: str | None
        text_input_type: str | None

        def _embed(self, texts: list[str], input_type: str | None) -> list[Embedding]: ...

        async def _aembed(self, texts: list[str], input_type: str | None) -> list[Embedding]: ...

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._embed([query], self.query_input_type)[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aembed([query], self.query_input_type))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._embed([text], self.text_input_type)[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aembed([text], self.text_input_type))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._embed(texts, self.text_input_type)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await self._aembed(texts, self.text_input_type)


class OpenRouterEmbedding(VectorMethods, Limited, CountedModel, LoadedModel, BaseEmbedding):
    """An embedding model served by OpenRouter, for LlamaIndex: indexes, retrievers, ingestion pipelines.

    Texts go out unchanged, `embed_batch_size` in one request, and their vectors come back in the same order. The options that embeddings
    take (`provider`, `user`, `session_id`, `trace`, `extra_body` and those that are headers) can be given by name or in
    `provider_options`. What it cost is in `openrouter_opts.track_costs()`.

    Calls raise `openrouter_opts.errors.OpenRouterError`s.

    Example:
        >>> embedding = OpenRouterEmbedding(model_name="openai/text-embedding-3-small", provider={"zdr": True})
        >>> embedding.get_query_embedding("Who built the lighthouse?")  # doctest: +SKIP
    """

    model_name: str = Field(
        description="The slug of the model; `model` is the same. `client.embedding_models()` lists them."
    )
    api_key: Annotated[str | SecretStr | Callable[[], str] | None, BeforeValidator(secret)] = Field(
        default=None,
        description="The key, or a callable that is asked before every request; by default `OPENROUTER_API_KEY`, read when needed.",
        exclude=True,
        repr=False,
    )
    api_base: UrlField = Field(
        default=None,
        description="The URL of the API; by default `OPENROUTER_API_BASE`, or else OpenRouter's own.",
    )
    dimensions: int | None = Field(
        default=None, description="The length of the vectors, for models that can shorten them."
    )
    encoding_format: EncodingFormat | None = Field(
        default=None,
        description="How vectors travel; by default `base64`, which is smaller and faster than `float`.",
    )
    query_input_type: str | None = Field(
        default=None,
        description="The `input_type` of queries, such as `search_query`, for models that tell them apart; by default none is sent.",
    )
    text_input_type: str | None = Field(
        default=None,
        description="The `input_type` of texts, such as `search_document`; by default none is sent.",
    )
    max_concurrency: int = Field(
        default=8, gt=0, description="The most async requests of this object at the same time."
    )
    provider_options: Annotated[SkipValidation[OptionsLike], PlainSerializer(stored)] = Field(
        default=None,
        description="Options of OpenRouter. Those that are given by name are added here.",
    )
    timeout: Annotated[TimeoutLike, PlainSerializer(dumped_timeout)] = Field(
        default=None, description="Seconds, or an `openrouter_opts.Timeout` that tells the phases apart."
    )
    max_retries: int = Field(default=2, description="Further attempts after the first, for each request.")
    retry_uncertain: bool = Field(
        default=False,
        description="Whether to try again what may have been delivered, and so may be paid twice.",
    )
    proxy: UrlField = Field(default=None, description="The URL of a proxy.", exclude=True, repr=False)
    trust_env: bool = Field(default=True, description="Whether the environment's proxy variables count.")
    verify: Any = Field(
        default=True, description="Whether to check certificates, or an `ssl.SSLContext`.", exclude=True
    )

    # Errors of pydantic would show the key among what was given.
    model_config = ConfigDict(hide_input_in_errors=True)

    _built: Built | None = PrivateAttr(default=None)
    _turns: Turns = PrivateAttr(default_factory=Turns)

    if not TYPE_CHECKING:  # type checkers take the signature from the fields

        def __init__(self, model: str | None = None, **given: Any) -> None:
            given, fields = covered({"model": model, **given}), type(self).model_fields
            super().__init__(**embedding_fields(given, fields=fields, renamed=_RENAMED))
            check_settings(self.dimensions, self.encoding_format, self.query_input_type, self.text_input_type)
            self._build()

    def __getstate__(self) -> dict[Any, Any]:
        """Return what is pickled: everything but keys and passwords; the environment gives OpenRouter's again where it is unpickled."""
        # LlamaIndex takes what can't be pickled away from the object itself, which here is a copy.
        keyless = self.model_copy(update={**storable(self.__dict__), "api_key": None})
        keyless._built = None  # noqa: SLF001 - of this class
        return super(OpenRouterEmbedding, keyless).__getstate__()

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises this class, and tracers name it."""
        return "OpenRouterEmbedding"

    @property
    def client(self) -> OpenRouterClient:
        """The client underneath, for OpenRouter's other endpoints: `embedding.client.embedding_models()`."""
        return self._build().client

    def _build(self) -> Built:
        """Return what the fields describe, made anew when one of them has changed."""
        self._built = Built.of(
            self,
            self._built,
            lambda: ProviderOptions.of(self.provider_options),
            model=self.model_name,
            api_key=self.api_key,
            base_url=self.api_base,
        )
        return self._built

    def _embed(self, texts: list[str], input_type: str | None) -> list[Embedding]:
        with self._counted(dispatcher):
            return list(self.client.embed(texts, **self._how(input_type)).vectors)

    async def _aembed(self, texts: list[str], input_type: str | None) -> list[Embedding]:
        # LlamaIndex starts all batches of a call at once.
        async with self._turns.of_loop(self.max_concurrency):
            with self._counted(dispatcher):
                return list((await self.client.aembed(texts, **self._how(input_type))).vectors)

    def _how(self, input_type: str | None) -> dict[str, Any]:
        return {
            "dimensions": self.dimensions,
            "encoding_format": self.encoding_format,
            "input_type": input_type,
        }
