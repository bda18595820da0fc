"""The providers' own clients, set up so that one try is one request: no retries, no redirects, a bounded answer.

A client is bound to the event loop that first used it, so each is built on the process's loop and closed with it.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any, cast

import httpx2
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model

from triage import errors
from triage.decide.llm.door import CONNECT, Door, Guarded
from triage.decide.llm.settings import ModelChoice, Provider

MAX_ANSWER = 1024 * 1024
"""Bytes of one answer; an answer of a few fields has some thousand."""
MOST_AT_ONCE = 256
NO_KEY = "none"
"""The SDKs want a key also for servers that want none."""


class TooLong(httpx2.ReadError):
    """The answer does not end."""


class OneMore(httpx2.ReadError):
    """A client wanted to send another request than the one that there is money for."""


_allowed: ContextVar[list[str]] = ContextVar("allowed")
"""What the running try may still send."""


def allow_one() -> None:
    """Let the running task send one request: no retry, redirect or continuation of a client's own gets past that."""
    _allowed.set(["one"])


async def _count(request: httpx2.Request) -> None:
    if not _allowed.get([]):
        raise OneMore("another request was about to be sent, which nobody has reserved money for", request=request)
    _allowed.get().pop()


class _Bounded(httpx2.AsyncByteStream):
    """A body that breaks off once it is longer than any honest one."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for piece in self._stream:
            length += len(piece)
            if length > MAX_ANSWER:
                raise TooLong(f"the answer is longer than {MAX_ANSWER} bytes")
            yield piece

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()


async def _bound(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":  # it could unpack to anything
        raise TooLong("the answer is packed, though none was asked to be")
    response.stream = _Bounded(cast(httpx2.AsyncByteStream, response.stream))


def http_client(timeout: float, door: Door | None = None) -> httpx2.AsyncClient:
    """A client whose phases end after `timeout` seconds, and which connects through `door`; without one, anywhere."""
    limits = httpx2.Limits(max_connections=MOST_AT_ONCE, max_keepalive_connections=MOST_AT_ONCE)
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout, connect=CONNECT),
        transport=Guarded(door, limits) if door else httpx2.AsyncHTTPTransport(limits=limits),
        headers={"accept-encoding": "identity"},
        follow_redirects=False,
        event_hooks={"request": [_count], "response": [_bound]},
    )


def build(choice: ModelChoice, client: httpx2.AsyncClient) -> Model[Any]:
    """The model behind this client.

    Only the set provider's SDK is imported, as each takes a second and some ten megabytes.

    Raises:
        InvalidSetting: the provider's extra is not installed, or there is no key.
    """
    try:
        return BUILDERS[choice.provider](choice, client)
    except ImportError as error:
        raise errors.InvalidSetting(
            f"{choice.name} needs the extra llm: pip install 'triage[llm]' ({error})"
        ) from error
    except (UserError, ValueError, LookupError) as error:
        raise errors.InvalidSetting(f"{choice.name} cannot be asked: {error}") from error


def _key(choice: ModelChoice, default: str = "") -> str | None:
    """The set key, or the one in the variable that the provider's own client reads, which None stands for."""
    return choice.api_key.get_secret_value() if choice.api_key else default or None


def _openai_client(choice: ModelChoice, client: httpx2.AsyncClient, default_key: str = "") -> Any:  # noqa: ANN401 - lazy
    from openai import AsyncOpenAI, OpenAIError  # noqa: PLC0415

    try:
        return AsyncOpenAI(
            base_url=choice.base_url or None, api_key=_key(choice, default_key), http_client=client, max_retries=0
        )
    except OpenAIError as error:
        raise ValueError(str(error)) from error


def _openai(choice: ModelChoice, client: httpx2.AsyncClient) -> Model[Any]:
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

    return OpenAIChatModel(choice.model, provider=OpenAIProvider(openai_client=_openai_client(choice, client)))


def _compatible(choice: ModelChoice, client: httpx2.AsyncClient) -> Model[Any]:
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415

    provider = OpenAICompatibleProvider("compatible", openai_client=_openai_client(choice, client, NO_KEY))
    return OpenAIChatModel(choice.model, provider=provider)


def _ollama(choice: ModelChoice, client: httpx2.AsyncClient) -> Model[Any]:
    from pydantic_ai.models.ollama import OllamaModel  # noqa: PLC0415
    from pydantic_ai.providers.ollama import OllamaProvider  # noqa: PLC0415

    provider = OllamaProvider(openai_client=_openai_client(choice, client, NO_KEY))
    return OllamaModel(choice.model, provider=provider)


def _anthropic(choice: ModelChoice, client: httpx2.AsyncClient) -> Model[Any]:
    from anthropic import AsyncAnthropic  # noqa: PLC0415
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

    key = _key(choice, os.environ.get("ANTHROPIC_API_KEY", ""))
    if key is None:  # the SDK would only say so at the first request
        raise ValueError("set its api_key, or the variable ANTHROPIC_API_KEY")
    sdk = AsyncAnthropic(base_url=choice.base_url or None, api_key=key, http_client=client, max_retries=0)
    return AnthropicModel(choice.model, provider=AnthropicProvider(anthropic_client=sdk))


def _google(choice: ModelChoice, client: httpx2.AsyncClient) -> Model[Any]:
    from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415
    from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415

    provider = GoogleProvider(api_key=_key(choice), http_client=client, base_url=choice.base_url or None)
    return GoogleModel(choice.model, provider=provider)


def _mistral(choice: ModelChoice, client: httpx2.AsyncClient) -> Model[Any]:
    from pydantic_ai.models.mistral import MistralModel  # noqa: PLC0415
    from pydantic_ai.providers.mistral import MistralProvider  # noqa: PLC0415

    provider = MistralProvider(api_key=_key(choice), http_client=client, base_url=choice.base_url or None)
    return MistralModel(choice.model, provider=provider)


BUILDERS: dict[Provider, Callable[[ModelChoice, httpx2.AsyncClient], Model[Any]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "mistral": _mistral,
    "ollama": _ollama,
    "compatible": _compatible,
}
