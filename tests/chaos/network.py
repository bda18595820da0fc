"""Workers in network namespaces, and a router between them and the servers that loses packets on demand.

    worker 1 ─┐
    worker 2 ─┼─ router ─── hub: the driver, Postgres, the broker, the other systems
    worker 3 ─┘

Each server has an address of its own in the hub, so that a cut can concern one of them, and one direction. The router
drops forwarded packets without a word, as a broken network does; an end that has no route would learn of it at once.
The whole command runs again inside the hub, so nothing is added to the machine's own network.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from tests.chaos.proxy import Address
from tests.chaos.schedule import WORKERS, Event, Kind, Way
from tests.chaos.world import Addresses, Place

HUB_ROUTER = "10.213.0.1"
SERVERS = {Kind.CUT_DATABASE: "10.213.0.11", Kind.CUT_BROKER: "10.213.0.12", Kind.CUT_TOOLS: "10.213.0.13"}
STOP_LIMIT = 60.0


def why_not() -> str:
    """What is missing for namespaces here; empty if nothing is."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2's `ip`"
    trial = f"triage-chaos-{os.getpid()}-try"
    try:
        _ip("netns", "add", trial)
        _ip("-n", trial, "link", "add", "name", "one", "type", "veth", "peer", "name", "two")
        _ip("-n", trial, "rule", "add", "from", HUB_ROUTER, "to", HUB_ROUTER, "blackhole")
    except RuntimeError as error:
        return f"network namespaces do not work here: {error}"
    finally:
        with suppress(RuntimeError):
            _ip("netns", "del", trial)
    return ""


@dataclass(frozen=True, slots=True)
class Network:
    """The namespaces' names start with `prefix`."""

    prefix: str

    @property
    def hub(self) -> str:
        """Where the driver and the servers are."""
        return f"{self.prefix}-hub"

    @property
    def router(self) -> str:
        """Between all."""
        return f"{self.prefix}-router"

    def worker(self, index: int) -> str:
        """Where a worker is."""
        return f"{self.prefix}-w{index + 1}"

    @property
    def names(self) -> list[str]:
        """All namespaces."""
        return [self.hub, self.router, *(self.worker(index) for index in range(WORKERS))]

    def build(self) -> None:
        """Make them, and connect them."""
        for name in self.names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        self._connect(self.hub, "hub", list(SERVERS.values()), HUB_ROUTER)
        for index in range(WORKERS):
            self._connect(self.worker(index), f"w{index + 1}", [_worker_address(index)], _gateway(index))
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        _run(["ip", "netns", "exec", self.router, "sh", "-c", forward])

    def destroy(self) -> None:
        """Remove them; whatever still runs inside keeps its own alive until it ends."""
        for name in self.names:
            with suppress(RuntimeError):
                _ip("netns", "del", name)

    def cut(self, event: Event) -> None:
        """Lose one worker's packets for the event's time, then heal."""
        rules = list(_rules(event))
        try:
            for rule in rules:
                _ip("-n", self.router, "rule", "add", *rule)
            time.sleep(event.seconds)
        finally:
            for rule in rules:
                with suppress(RuntimeError):
                    _ip("-n", self.router, "rule", "del", *rule)

    def places(self, servers: Addresses) -> list[Place]:
        """Where the workers run, and how they reach the servers."""
        database, broker, tools = (_moved(url, host) for url, host in zip(servers, SERVERS.values(), strict=True))
        inside = (("ip", "netns", "exec", self.worker(index)) for index in range(WORKERS))
        return [Place(prefix, (database, broker, tools)) for prefix in inside]

    def _connect(self, name: str, link: str, addresses: Sequence[str], gateway: str) -> None:
        """A cable to the router, whose end is the gateway."""
        _ip("-n", self.router, "link", "add", "name", link, "type", "veth", "peer", "name", "router", "netns", name)
        _ip("-n", self.router, "address", "add", f"{gateway}/24", "dev", link)
        _ip("-n", self.router, "link", "set", link, "up")
        for address in addresses:
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "router")
        _ip("-n", name, "link", "set", "router", "up")
        _ip("-n", name, "route", "add", "default", "via", gateway)


@contextmanager
def made() -> Iterator[Network]:
    """A network for as long as the block lasts."""
    network = Network(f"triage-chaos-{os.getpid()}")
    try:
        network.build()
        yield network
    finally:
        network.destroy()


def again_inside(network: Network, arguments: Sequence[str]) -> int:
    """Run this command in the hub; its exit code."""
    command = [sys.executable, "-m", "tests.chaos", *arguments, "--inside", network.prefix]
    process = subprocess.Popen(["ip", "netns", "exec", network.hub, *command])
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_LIMIT)


def routes(servers: Addresses) -> dict[Address, Address]:
    """What is to be forwarded, from the servers' addresses in the hub to where they listen."""
    ports = [urlsplit(url) for url in servers]
    return {
        (host, url.port or 0): (str(url.hostname), url.port or 0)
        for host, url in zip(SERVERS.values(), ports, strict=True)
    }


def _rules(event: Event) -> Iterator[list[str]]:
    worker = _worker_address(event.worker)
    hosts = list(SERVERS.values()) if event.kind is Kind.CUT_ALL else [SERVERS[event.kind]]
    for host in hosts:
        if event.way is not Way.BACK:
            yield ["from", worker, "to", host, "blackhole"]
        if event.way is not Way.OUT:
            yield ["from", host, "to", worker, "blackhole"]


def _worker_address(index: int) -> str:
    return f"10.213.{index + 1}.2"


def _gateway(index: int) -> str:
    return f"10.213.{index + 1}.1"


def _moved(url: str, host: str) -> str:
    """The URL with another host."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host}:{parts.port}"))


def _ip(*arguments: str) -> None:
    _run(["ip", *arguments])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
