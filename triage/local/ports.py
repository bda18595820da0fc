"""Ports on the loopback interface."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
# Below the range from which systems take ports for outgoing connections. A client that keeps calling a stopped server
# inside that range can be given the server's own port, connect to itself, and keep the server from coming back.
FIRST, LAST = 15_000, 32_000


def choose(preferred: int | None) -> int:
    """Return `preferred` if it is free, so that addresses given out stay valid, else a random free port."""
    if preferred is not None and is_free(preferred):
        return preferred
    picks = random.SystemRandom().sample(range(FIRST, LAST), 200)
    return next(port for port in picks if is_free(port))


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do it: connections that ended a moment ago do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
