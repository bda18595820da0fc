"""Where a model may be: a connection is made to an address that was checked, and the name is not resolved again for it.

Without this a setting, or whoever owns the name in it, could lead the reports to an address of the house's own network.
No proxy is used, as none is by the tools: it would decide where the bytes go.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import httpcore2
import httpx2

from triage import clock

Door: TypeAlias = Callable[[str, int, float], Sequence[str]]
"""From a host, a port and a deadline (seconds of `clock.now()`) to the IP addresses that may be connected to.

It may block. Raises Refused if there are addresses and none is allowed, and OSError or ValueError if there are none.
"""
CONNECT = 5.0
"""Seconds."""


class Guarded(httpx2.AsyncHTTPTransport):
    """A transport that connects through a door."""

    def __init__(self, door: Door, limits: httpx2.Limits) -> None:
        """Opens nothing."""
        super().__init__(limits=limits)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=Backend(door),
        )


class Backend(httpcore2.AsyncNetworkBackend):
    """Connects only where the door leads."""

    def __init__(self, door: Door) -> None:
        """Opens nothing."""
        self._door = door
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Try all allowed addresses in turn. TLS is checked against the name, not against the address."""
        until = clock.now() + (CONNECT if timeout is None else timeout)
        problem: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in await self._addresses(host, port, until):
            try:
                left = max(until - clock.now(), 0.01)
                return await self._plain.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        raise problem

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._plain.sleep(seconds)

    async def _addresses(self, host: str, port: int, until: float) -> Sequence[str]:
        try:
            return await asyncio.to_thread(self._door, host, port, until)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except (OSError, ValueError) as error:
            raise httpcore2.ConnectError(str(error)) from error
