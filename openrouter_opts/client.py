"""OpenRouter without a framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

from openrouter_opts.answers import completion_of, data_of, embeddings_of, list_of, models_of, object_of
from openrouter_opts.call import Ask, Call
from openrouter_opts.catalog import Catalog, Model
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.prices import LIVE
from openrouter_opts.http.reading import SoFar, read_completion, read_embeddings, read_json
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.secret import KeySource, Secret
from openrouter_opts.http.settings import Settings, Timeout, TimeoutLike, doubts_about
from openrouter_opts.http.steps import Data, Flow
from openrouter_opts.http.transport import Transport
from openrouter_opts.http.urls import unseen
from openrouter_opts.money.account import Account, account_of
from openrouter_opts.money.estimate import Estimate, estimate
from openrouter_opts.money.limits import LimitsLike, limits_of
from openrouter_opts.options import ProviderOptions, warn_if_online
from openrouter_opts.options.caller import warn
from openrouter_opts.options.environment import from_environment
from openrouter_opts.options.for_embeddings import embedding_options, shared_options
from openrouter_opts.options.toolbox import laid_over
from openrouter_opts.preflight import Check, check_of, preflight
from openrouter_opts.protocol.completion import Completion
from openrouter_opts.protocol.embeddings import (
    EmbeddingInput,
    Embeddings,
    EncodingFormat,
    count_of_inputs,
    embedding_request,
)
from openrouter_opts.protocol.encoding import snapshot
from openrouter_opts.protocol.request import Request, chat_body, chat_request, get_request
from openrouter_opts.protocol.wire import Messages
from openrouter_opts.stream import AsyncStream, Stream

OptionsLike: TypeAlias = ProviderOptions | Mapping[str, Any] | None
# A generation's record is written a moment after the answer: 404 until then.
_UNTIL_WRITTEN: Final = frozenset({404})
_ONCE: Final = Retry(0)


class OpenRouterClient:
    """Chat completions, embeddings and the smaller endpoints, sync and async.

    Cheap to make: connections belong to the process and are shared. Everything it raises is an `OpenRouterError`.

    Args:
        api_key: A string, a `SecretStr`, or a callable that is asked before every request; by default the environment variable
            `OPENROUTER_API_KEY`, read at the first request.
        base_url: By default `OPENROUTER_API_BASE`, or else `https://openrouter.ai/api/v1`.
        model: The model for calls that name none.
        timeout: Seconds, or a `Timeout` that tells the phases apart.
        max_retries: Further attempts after the first. Nothing is tried again once a part of the answer has come.
        retry_uncertain: Also try again what may have been delivered, and so may be billed twice.
        provider_options: Options for every call; a call's own options win, merged deeply. Below them are those of the environment:
            `OPENROUTER_APP_URL`, `OPENROUTER_APP_TITLE` and `OPENROUTER_SESSION_ID`, read here.
        check: What to do, before sending, about a request that would certainly go wrong: `"warn"` once about each thing that is wrong,
            raise a `ConfigurationError` (`"error"`), or nothing (`"off"`). The network isn't asked.
        catalog: What `check`, estimates and limits know of models; by default the facts that come with this package. With their
            endpoints (`Catalog.with_endpoints`, `Catalog.with_zdr`) it also knows which of them routing preferences leave. Where a limit
            holds and none is given, OpenRouter is asked for the endpoints of a model and their prices, once an hour. One of your own is
            taken at its word: a model without endpoints costs what it says. That isn't so for what comes with this package.
        spend_limit: The most that the calls of this client may cost together: USD such as `"0.50"`, or a `SpendLimit`, which may be
            shared; several of them all hold. What might cost more isn't sent: `SpendLimitExceeded`.
        trust_env: Whether the environment's proxy variables count.
        verify: Whether to check certificates, or an `ssl.SSLContext`.
        proxy: The URL of a proxy.
    """

    def __init__(
        self,
        *,
        api_key: KeySource | Secret = None,
        base_url: str | None = None,
        model: str | None = None,
        timeout: TimeoutLike = None,
        max_retries: int = 2,
        retry_uncertain: bool = False,
        provider_options: OptionsLike = None,
        check: Check = "warn",
        catalog: Catalog | None = None,
        spend_limit: LimitsLike = None,
        trust_env: bool = True,
        verify: Any = True,
        proxy: str | None = None,
    ) -> None:
        self._secret = api_key = Secret(api_key)  # error trackers show the locals of every frame
        base_url, proxy = unseen(base_url), unseen(proxy)
        self._settings = Settings.of(
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            retry_uncertain=retry_uncertain,
            trust_env=trust_env,
            verify=verify,
            proxy=proxy,
        )
        self._options = from_environment().merged(ProviderOptions.of(provider_options))
        has_key = api_key.is_given or self._options.has_authorization
        for doubt in doubts_about(base_url, self._settings.base_url, key_is_given=has_key):
            warn(doubt)
        self._model = None if model is None else _checked_model(model)
        self._check: Check = check_of(check)
        self._catalog = catalog
        self._limits = limits_of(spend_limit)
        self._transport = Transport(self._settings, self._secret)

    def complete(self, messages: Messages, **call: Any) -> Completion:
        """Return the whole answer to a conversation.

        Args:
            messages: The conversation, as OpenRouter takes it: `[{"role": "user", "content": "hi"}]`.
            **call: `model`, `provider_options`, `timeout`, `max_retries`, `check`, `spend_limit` (for this call, beside the
                client's), and any option by name.
        """
        chat = self._chat(messages, call, stream=False)
        return completion_of(list(chat.drive(read_completion)))

    async def acomplete(self, messages: Messages, **call: Any) -> Completion:
        """Return the whole answer to a conversation. See `complete`."""
        chat = self._chat(messages, call, stream=False)
        driven = chat.adrive(read_completion)
        return completion_of([item async for item in driven])

    def stream(self, messages: Messages, **call: Any) -> Stream:
        """Return a `Stream` of deltas; the request leaves when it is first read.

        Arguments as for `complete`.
        """
        chat = self._chat(messages, call, stream=True)
        so_far = SoFar(chat.request.choices)
        return Stream(chat.drive(so_far.read), so_far)

    def astream(self, messages: Messages, **call: Any) -> AsyncStream:
        """Return an `AsyncStream` of deltas; the request leaves when it is first read. See `stream`."""
        chat = self._chat(messages, call, stream=True)
        so_far = SoFar(chat.request.choices)
        return AsyncStream(chat.adrive(so_far.read), so_far)

    def embed(
        self,
        inputs: EmbeddingInput,
        *,
        dimensions: int | None = None,
        encoding_format: EncodingFormat | None = None,
        input_type: str | None = None,
        **call: Any,
    ) -> Embeddings:
        """Return a vector for each input, in their order, from one request (`POST /embeddings`).

        Args:
            inputs: A text, a list of texts, or what else `EmbeddingInput` says.
            dimensions: The length of the vectors, for models that can shorten them.
            encoding_format: How vectors travel; by default `base64`, which is smaller and faster than `float`, and as exact as models are.
            input_type: What the inputs are, for models that tell apart: `search_query`, `search_document`, …
            **call: `model`, `provider_options`, `timeout`, `max_retries`, and the options that embeddings take: `provider`, `user`,
                `session_id`, `trace`, `extra_body` and those that are headers. They lie over the same ones of the constructor; its others
                are for chats.

        Raises:
            ConfigurationError: A text is empty, or an option is none for embeddings.
            Malformed: There are more or fewer vectors than inputs; `usage` has what they cost.
        """
        how = {"dimensions": dimensions, "encoding_format": encoding_format, "input_type": input_type}
        asked = self._embedding(inputs, how, call)
        read = read_embeddings(count_of_inputs(inputs))
        return embeddings_of(list(asked.drive(read)))

    async def aembed(
        self,
        inputs: EmbeddingInput,
        *,
        dimensions: int | None = None,
        encoding_format: EncodingFormat | None = None,
        input_type: str | None = None,
        **call: Any,
    ) -> Embeddings:
        """Return a vector for each input, in their order, from one request (`POST /embeddings`). See `embed`."""
        how = {"dimensions": dimensions, "encoding_format": encoding_format, "input_type": input_type}
        asked = self._embedding(inputs, how, call)
        read = read_embeddings(count_of_inputs(inputs))
        driven = asked.adrive(read)
        return embeddings_of([item async for item in driven])

    def embedding_models(self) -> tuple[Model, ...]:
        """Return every model that makes vectors (`GET /embeddings/models`); `models` doesn't list them."""
        return models_of(self._fetch(get_request("embeddings", "models")))

    async def aembedding_models(self) -> tuple[Model, ...]:
        """Return every model that makes vectors (`GET /embeddings/models`); `models` doesn't list them."""
        return models_of(await self._afetch(get_request("embeddings", "models")))

    def models(self) -> tuple[Model, ...]:
        """Return every model that OpenRouter lists for text (`GET /models`)."""
        return models_of(self._fetch(get_request("models")))

    async def amodels(self) -> tuple[Model, ...]:
        """Return every model that OpenRouter lists for text (`GET /models`)."""
        return models_of(await self._afetch(get_request("models")))

    def endpoints(self, model: str) -> dict[str, Any]:
        """Return a model and its `endpoints`: providers, prices, quantizations, uptime (`GET /models/…/endpoints`)."""
        return object_of(self._fetch(get_request("models", model, "endpoints")))

    async def aendpoints(self, model: str) -> dict[str, Any]:
        """Return a model and its `endpoints`: providers, prices, quantizations, uptime (`GET /models/…/endpoints`)."""
        return object_of(await self._afetch(get_request("models", model, "endpoints")))

    def zdr_endpoints(self) -> list[dict[str, Any]]:
        """Return every endpoint that keeps no data, with `model_id` and `tag` (`GET /endpoints/zdr`); see `Catalog.with_zdr`."""
        return list_of(self._fetch(get_request("endpoints", "zdr")))

    async def azdr_endpoints(self) -> list[dict[str, Any]]:
        """Return every endpoint that keeps no data, with `model_id` and `tag` (`GET /endpoints/zdr`); see `Catalog.with_zdr`."""
        return list_of(await self._afetch(get_request("endpoints", "zdr")))

    def providers(self) -> list[dict[str, Any]]:
        """Return the providers, with `name` and `slug` (`GET /providers`)."""
        return list_of(self._fetch(get_request("providers")))

    async def aproviders(self) -> list[dict[str, Any]]:
        """Return the providers, with `name` and `slug` (`GET /providers`)."""
        return list_of(await self._afetch(get_request("providers")))

    def key(self) -> dict[str, Any]:
        """Return what is known of the key: `label`, `limit`, `limit_remaining`, `usage`, in USD (`GET /key`)."""
        return object_of(self._fetch(get_request("key")))

    async def akey(self) -> dict[str, Any]:
        """Return what is known of the key: `label`, `limit`, `limit_remaining`, `usage`, in USD (`GET /key`)."""
        return object_of(await self._afetch(get_request("key")))

    def credits(self) -> dict[str, Any]:
        """Return `total_credits` and `total_usage`, in USD (`GET /credits`). Needs a management key."""
        return object_of(self._fetch(get_request("credits")))

    async def acredits(self) -> dict[str, Any]:
        """Return `total_credits` and `total_usage`, in USD (`GET /credits`). Needs a management key."""
        return object_of(await self._afetch(get_request("credits")))

    def generation(
        self, generation_id: str, *, patient: bool = True, within: float | None = None
    ) -> dict[str, Any]:
        """Return the record of a call: `total_cost`, tokens, provider (`GET /generation`).

        It is written a moment after the answer: this waits up to 8 s for it, or asks just once if it isn't to be `patient`. Each attempt
        has to succeed `within` so many seconds.
        """
        retry = _retry(self._settings, _UNTIL_WRITTEN) if patient else _ONCE
        return object_of(self._fetch(get_request("generation", id=generation_id), retry, within))

    async def ageneration(
        self, generation_id: str, *, patient: bool = True, within: float | None = None
    ) -> dict[str, Any]:
        """Return the record of a call: `total_cost`, tokens, provider. See `generation`."""
        retry = _retry(self._settings, _UNTIL_WRITTEN) if patient else _ONCE
        return object_of(await self._afetch(get_request("generation", id=generation_id), retry, within))

    def _fetch(self, request: Request, retry: Retry | None = None, within: float | None = None) -> Data:
        return data_of(list(self._lookup(request, retry, within).drive(read_json)))

    async def _afetch(
        self, request: Request, retry: Retry | None = None, within: float | None = None
    ) -> Data:
        driven = self._lookup(request, retry, within).adrive(read_json)
        return data_of([item async for item in driven])

    def _lookup(self, request: Request, retry: Retry | None, within: float | None) -> Call:
        total = min((each for each in (self._settings.timeout.total, within) if each), default=None)
        given = {"timeout": replace(self._settings.timeout, total=total)} if within else {}
        settings, transport = self._for_call(given)
        request = replace(request, headers=self._own_headers)
        return Call(request, transport, settings, retry or _retry(settings))

    def _asking(self, ask: Callable[..., Flow], account: Account) -> Ask | None:
        """Return what asks for prices before a call, if it needs them."""
        needs = account.has_limits and self._catalog is None
        return partial(ask, headers=self._own_headers) if needs else None

    @property
    def _own_headers(self) -> Mapping[str, str]:
        """Those of every request: a gateway wants its own for lookups as well."""
        return ProviderOptions.of(extra_headers=self._options.extra_headers).headers

    def estimate_cost(self, messages: Messages, **call: Any) -> Estimate:
        """Return what a call may cost, in USD, from what is known of its models; nothing is sent. Arguments as for `complete`."""
        for name in ("timeout", "max_retries", "spend_limit"):
            call.pop(name, None)
        request = self._request(messages, call, stream=False)
        return estimate(request.content, request.written().body or b"", self._facts)

    def _chat(self, messages: Messages, call: dict[str, Any], *, stream: bool) -> Call:
        settings, transport = self._for_call(call)
        limits = *self._limits, *limits_of(call.pop("spend_limit", None))
        request = self._request(messages, call, stream=stream)
        account = account_of(request, self._facts, limits=limits, lookup=self)
        asks = self._asking(LIVE.asking, account)
        return Call(_as_it_is_now(request, account), transport, settings, _retry(settings), account, asks)

    def _request(self, messages: Messages, call: dict[str, Any], *, stream: bool) -> Request:
        given_model = call.pop("model", None)
        model = self._model if given_model is None else _checked_model(given_model)
        check = call.pop("check", None)
        given = call.pop("provider_options", None)
        options = laid_over(self._options, ProviderOptions.of(given, **call))
        request = chat_request(
            chat_body(messages, model=model, options=options, stream=stream), options.headers
        )
        preflight(request.content, self._check if check is None else check_of(check), self._catalog)
        return request

    def _facts(self, slug: str) -> Model | None:
        if self._catalog is not None:
            return self._catalog.certain(slug)
        return LIVE.best(self._settings.base_url, slug)

    def _embedding(self, inputs: EmbeddingInput, how: Mapping[str, Any], call: dict[str, Any]) -> Call:
        given_model = call.pop("model", None)
        model = self._model if given_model is None else _checked_model(given_model)
        settings, transport = self._for_call(call)
        limits = *self._limits, *limits_of(call.pop("spend_limit", None))
        given = call.pop("provider_options", None)
        options = shared_options(self._options).merged(embedding_options(ProviderOptions.of(given, **call)))
        request = embedding_request(inputs, model=model, options=options, **how)
        account = account_of(request, self._facts, kind="embedding", limits=limits, lookup=self)
        asks = self._asking(LIVE.asking_for_vectors, account)
        return Call(_as_it_is_now(request, account), transport, settings, _retry(settings), account, asks)

    def _for_call(self, call: dict[str, Any]) -> tuple[Settings, Transport]:
        timeout, max_retries = call.pop("timeout", None), call.pop("max_retries", None)
        if timeout is None and max_retries is None:
            return self._settings, self._transport
        settings = replace(
            self._settings,
            timeout=self._settings.timeout if timeout is None else Timeout.of(timeout),
            max_retries=self._settings.max_retries if max_retries is None else max_retries,
        )
        return settings, self._transport.with_settings(settings)


def _checked_model(model: object) -> str:
    """Return the slug of a model; raises `ConfigurationError` for what is none. Warns about a suffix that OpenRouter has retired."""
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError(f"model: needs a slug such as 'anthropic/claude-sonnet-4.6', got {model!r}")
    warn_if_online(model)
    return model


def _retry(settings: Settings, also: frozenset[int] = frozenset()) -> Retry:
    return Retry(settings.max_retries, settings.retry_uncertain, also)


def _as_it_is_now(request: Request, account: Account) -> Request:
    """Return a request that, when a limit has it written anew, is what was asked: a history may go on before a stream is read."""
    if request.is_unwritten or not account.has_limits:
        return request
    return replace(request, content=snapshot(request.content))
