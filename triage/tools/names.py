"""Names of hosts into addresses, within a deadline.

The system's resolver knows no deadline and can take half a minute. So each question has a thread of its own, which is
left to itself when nobody waits for it any more; all who want to know the same wait for the same one.
"""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

from triage import clock

LONGEST_WAIT = 3600.0
"""Seconds; sockets do not take an endless time-out, and no call should have one."""
KEEP = 30.0
"""Seconds that an answer is kept, so that a burst of new connections costs one question."""


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a host, as sockets take it."""

    family: int
    socket_address: tuple[Any, ...]

    @property
    def address(self) -> str:
        """The IP address alone."""
        return str(self.socket_address[0])


LookUp: TypeAlias = Callable[[str, int], Sequence[Place]]
"""From a host's name and a port to its places; raises OSError, or ValueError for what cannot be a name."""


def time_left(deadline: float) -> float:
    """Seconds until a deadline of the monotonic clock; raises TimeoutError if there are none."""
    left = deadline - clock.now()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return min(left, LONGEST_WAIT)


def system_look_up(host: str, port: int, flags: int = 0) -> list[Place]:
    """What this machine's resolver says; see `LookUp`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [Place(family, place) for family, _, _, _, place in found]


class Names:
    """Shared by all threads of a process; it needs no lock, which a fork could leave locked for ever."""

    def __init__(self, look_up: LookUp = system_look_up, keep: float = KEEP) -> None:
        """Set up without asking; `keep` is in seconds."""
        self._look_up = look_up
        self._keep = keep
        self._known: dict[tuple[str, int], tuple[float, Sequence[Place]]] = {}
        # With the process's number: a forked child does not get the threads that would answer.
        self._asked: dict[tuple[int, str, int], Future[Sequence[Place]]] = {}

    def find(self, host: str, port: int, deadline: float) -> Sequence[Place]:
        """All places of a host. Addresses in any spelling are no question.

        Raises:
            OSError: it has none, or the resolver failed, or did not answer before the deadline (TimeoutError).
            ValueError: this cannot be a name.
        """
        try:
            return system_look_up(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        until, places = self._known.get((host, port), (0.0, ()))
        return places if clock.now() < until else self._ask(host, port, deadline)

    def _ask(self, host: str, port: int, deadline: float) -> Sequence[Place]:
        question = os.getpid(), host, port
        answer: Future[Sequence[Place]] = Future()
        asked = self._asked.setdefault(question, answer)
        if asked is answer:
            self._start(question, answer)
        try:
            return asked.result(time_left(deadline))
        except TimeoutError:
            raise TimeoutError(f"the name {host!r} was not resolved in time") from None

    def _start(self, question: tuple[int, str, int], answer: "Future[Sequence[Place]]") -> None:
        try:
            threading.Thread(target=self._answer, args=(question, answer), name="name look-up", daemon=True).start()
        except RuntimeError as problem:  # the system has no thread to give
            del self._asked[question]
            answer.set_exception(OSError(str(problem)))

    def _answer(self, question: tuple[int, str, int], answer: "Future[Sequence[Place]]") -> None:
        _, host, port = question
        try:
            places = self._look_up(host, port)
        except (OSError, ValueError) as problem:
            del self._asked[question]
            answer.set_exception(problem)
        else:
            self._known[host, port] = clock.now() + self._keep, places
            del self._asked[question]
            answer.set_result(places)
