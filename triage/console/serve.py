"""Serving the console: which address, which secret, and the link that lets the first visitor in."""

import getpass
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from triage import config, errors
from triage.bootstrap import Services
from triage.console.access import Access, secret_in
from triage.console.app import build
from triage.console.gate import LOOPBACK
from triage.local import home

HOST = "127.0.0.1"
ADDRESS_FILE = "console-address"
WARNING = (
    "Warning: {address} can be reached from other machines. Whoever has a link or the secret can act on runs, and "
    "nothing on the way is encrypted: put a proxy with TLS before it, and name its host in the setting console.hosts."
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to serve; `port` None is the usual one, or a free one if that is taken."""

    address: str = HOST
    port: int | None = None
    open_to_network: bool = False


def serve(services: Services, place: Place, tell: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM; `tell` gets the link, and a warning where one is due.

    Raises:
        InvalidSetting: the address is not this machine's alone and nobody said that it may be, or it cannot be had.
    """
    settings = services.settings
    if not _is_loopback(place.address):
        if not place.open_to_network:
            told = "only --open-to-network lets other machines reach the console"
            raise errors.InvalidSetting(f"{place.address} is not this machine's alone; {told}")
        tell(WARNING.format(address=place.address))
    listener = _listener(place, settings.console.port)
    port = int(listener.getsockname()[1])
    access = Access(secret(settings))
    app = build(services, access, port=port, hosts=_names(place.address), name=_user())
    url = f"http://{_bracketed([*_names(place.address), *LOOPBACK][0])}:{port}"
    home.write_private(home.make(settings.home).root / ADDRESS_FILE, url)
    tell(link(url, access))
    options = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=100,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(options).run(sockets=[listener])


def new_link(settings: config.Settings) -> str:
    """Another link to the console that serves for this home folder; raises InvalidSetting if none ever did."""
    path = settings.home / ADDRESS_FILE
    if not path.exists():
        raise errors.InvalidSetting(f"no console was started for {settings.home}; `triage console` starts one")
    return link(path.read_text().strip(), Access(secret(settings)))


def link(url: str, access: Access) -> str:
    """An address that lets one person in."""
    return f"{url}/enter?token={access.link_token()}"


def secret(settings: config.Settings) -> str:
    """As it is set, or the one in the home folder."""
    given = settings.console.secret
    return given.get_secret_value() if given else secret_in(Path(settings.home))


def _listener(place: Place, usual: int) -> socket.socket:
    wanted = usual if place.port is None else place.port
    try:
        return _bound(place.address, wanted)
    except OSError as error:
        if place.port is None and _is_loopback(place.address):
            return _bound(place.address, 0)
        raise errors.InvalidSetting(f"cannot listen on {place.address} port {wanted}: {error}") from None


def _bound(address: str, port: int) -> socket.socket:
    return socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)


def _is_loopback(address: str) -> bool:
    with suppress(ValueError):
        return ip_address(address).is_loopback
    return address == "localhost"


def _names(address: str) -> list[str]:
    return [] if address in {"0.0.0.0", "::"} else [address.strip("[]")]  # noqa: S104 - compared, not bound


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _user() -> str:
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return f"uid {os.getuid()}"
