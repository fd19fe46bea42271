"""Vectors of OpenRouter's embedding models, for LangChain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

from langchain_core.embeddings import Embeddings
from pydantic import (
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    SkipValidation,
)
from typing_extensions import override

from langchain_openrouter_opts.errors import ModelErrors
from openrouter_opts.built import Built
from openrouter_opts.client import OpenRouterClient
from openrouter_opts.http.loops import running_loop
from openrouter_opts.http.settings import TimeoutLike
from openrouter_opts.http.urls import UrlField
from openrouter_opts.limited import Limited
from openrouter_opts.options import ProviderOptions
from openrouter_opts.options.for_embeddings import embedding_fields
from openrouter_opts.options.model_options import OptionsLike, storable, stored
from openrouter_opts.options.secrecy import covered
from openrouter_opts.protocol.embeddings import EncodingFormat, check_settings

_RENAMED: Final = {
    "model_name": "model",
    "request_timeout": "timeout",
    "openrouter_api_key": "api_key",
    "openrouter_api_base": "base_url",
}


class OpenRouterEmbeddings(Limited, Embeddings):
    """An embedding model served by OpenRouter, for LangChain: vector stores, retrievers, semantic caches.

    Texts go out unchanged, in batches, and their vectors come back in the same order. The options that embeddings take (`provider`, `user`,
    `session_id`, `trace`, `extra_body` and those that are headers) can be given by name or in `provider_options`. What it cost is in
    `openrouter_opts.track_costs()`.

    Calls raise `openrouter_opts.errors.OpenRouterError`s, which are langchain-core's `Model…Error`s too.

    Example:
        >>> embeddings = OpenRouterEmbeddings(model="openai/text-embedding-3-small", provider={"zdr": True})
        >>> embeddings.embed_query("Who built the lighthouse?")  # doctest: +SKIP
    """

    model: str
    """The slug of the model; `embeddings.client.embedding_models()` lists them."""
    api_key: SecretStr | Callable[[], str] | None = Field(default=None, exclude=True, repr=False)
    """The key, or a callable that is asked for it before every request; by default `OPENROUTER_API_KEY`, read at the first request."""
    base_url: UrlField = None
    """By default `OPENROUTER_API_BASE`, or else OpenRouter."""
    dimensions: int | None = None
    """The length of the vectors, for models that can shorten them."""
    encoding_format: EncodingFormat | None = None
    """How vectors travel; by default `base64`, which is smaller and faster than `float`."""
    query_input_type: str | None = None
    """The `input_type` of queries, such as `search_query`, for models that tell them from documents; by default none is sent."""
    document_input_type: str | None = None
    """The `input_type` of documents, such as `search_document`; by default none is sent."""
    chunk_size: int = Field(default=256, gt=0)
    """The most texts in one request."""
    max_concurrency: int = Field(default=8, gt=0)
    """The most requests at the same time, of one call of `aembed_documents`."""
    provider_options: Annotated[SkipValidation[OptionsLike], PlainSerializer(stored)] = None
    """Options of OpenRouter. Those that are given by name are added here."""
    timeout: Annotated[SkipValidation[TimeoutLike], Field(exclude=True)] = None
    """Seconds, or an `openrouter_opts.Timeout` that tells the phases apart."""
    max_retries: int = 2
    """Further attempts after the first, for each request."""
    retry_uncertain: bool = False
    """Also try again what may have been delivered, and so may be billed twice."""
    proxy: UrlField = Field(default=None, exclude=True, repr=False)
    """The URL of a proxy."""
    trust_env: bool = True
    """Whether the environment's proxy variables count."""
    verify: Any = Field(default=True, exclude=True)
    """Whether to check certificates, or an `ssl.SSLContext`."""

    # Errors of pydantic would show the key among what was given.
    model_config = ConfigDict(hide_input_in_errors=True)

    _ready: Built | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # type checkers make a signature from the fields

        def __init__(self, **given: Any) -> None:
            given = covered(given)
            super().__init__(**embedding_fields(given, fields=type(self).model_fields, renamed=_RENAMED))
            check_settings(
                self.dimensions, self.encoding_format, self.query_input_type, self.document_input_type
            )
            self._made_ready()

    @property
    def client(self) -> OpenRouterClient:
        """The client underneath, for OpenRouter's other endpoints: `embeddings.client.embedding_models()`."""
        return self._made_ready().client

    def _made_ready(self) -> Built:
        """Return what the fields describe, made anew when one of them has changed."""
        self._ready = Built.of(
            self,
            self._ready,
            lambda: ProviderOptions.of(self.provider_options),
            model=self.model,
            api_key=self.api_key,
            base_url=self.base_url,
        )
        return self._ready

    @override
    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        with ModelErrors(uncertain=self.retry_uncertain):
            return self.client.embed(text, **self._how(self.query_input_type)).vector

    @override
    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        with ModelErrors(uncertain=self.retry_uncertain):
            return (await self.client.aembed(text, **self._how(self.query_input_type))).vector

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vector of each document, in their order; asks for `chunk_size` of them at a time."""
        with ModelErrors(uncertain=self.retry_uncertain):
            how = self._how(self.document_input_type)
            found = [self.client.embed(batch, **how) for batch in self._batches(texts)]
        return [vector for each in found for vector in each.vectors]

    @override
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vector of each document, in their order; up to `max_concurrency` requests at a time. The first error ends the rest."""
        with ModelErrors(uncertain=self.retry_uncertain):
            # Without a loop of asyncio its tasks would wait for ever.
            running_loop()
            batches = self._batches(texts)
            pending = iter(enumerate(batches))
            found: dict[int, Sequence[list[float]]] = {}
            workers = [
                asyncio.ensure_future(self._work(pending, found)) for _ in batches[: self.max_concurrency]
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                # Nothing is paid for that nobody waits for any more.
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        return [vector for place in sorted(found) for vector in found[place]]

    async def _work(
        self, pending: Iterator[tuple[int, Sequence[str]]], found: dict[int, Sequence[list[float]]]
    ) -> None:
        for place, batch in pending:
            found[place] = (await self.client.aembed(batch, **self._how(self.document_input_type))).vectors

    def _batches(self, texts: Sequence[str]) -> list[Sequence[str]]:
        return [texts[start : start + self.chunk_size] for start in range(0, len(texts), self.chunk_size)]

    def _how(self, input_type: str | None) -> dict[str, Any]:
        return {
            "dimensions": self.dimensions,
            "encoding_format": self.encoding_format,
            "input_type": input_type,
        }

    @override
    def __getstate__(self) -> dict[Any, Any]:
        # A pickle has neither key nor connections; where it is opened, the key comes from the environment.
        state = super().__getstate__()
        fields = {**storable(state["__dict__"]), "api_key": None}
        return {**state, "__dict__": fields, "__pydantic_private__": {"_ready": None}}
