"""Which fault the next request meets: a script first, else a seeded schedule."""

import random
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

ANY = "*"
"""The endpoint name that a script uses to mean every endpoint."""


class FaultKind(StrEnum):
    """How a request goes wrong."""

    NONE = "none"
    """It does not; holds a place in a script."""
    COMMIT_THEN_DROP = "commit_then_drop"
    """Commits, then closes the connection without an answer."""
    LATE_COMMIT = "late_commit"
    """Closes the connection at once, and commits `seconds` later."""
    HANG_LATE_COMMIT = "hang_late_commit"
    """Never answers, and commits after `seconds`, whether or not the client still waits."""
    TOO_MANY = "429"
    """Refuses for now, with `Retry-After: seconds`."""
    ERROR_BEFORE = "500_before"
    """Answers 500 and has not committed."""
    ERROR_AFTER = "500_after"
    """Answers 500 and has committed."""
    GARBAGE = "garbage"
    """Commits, then answers 200 with a body that is no JSON."""
    HANG = "hang"
    """Never answers and never commits."""
    HANG_AFTER_COMMIT = "hang_after_commit"
    """Commits and never answers."""
    RESET_BEFORE = "reset_before"
    """Resets the connection (RST) and has not committed; a scripted one does so before it reads the body."""
    SLOW = "slow"
    """Commits, then sends the right answer byte by byte over `seconds`."""
    REFUSE = "refuse"
    """Answers 422 and has not committed."""
    HUGE = "huge"
    """Commits, then answers 200 with valid JSON of 8 MiB."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `seconds` is how late, how slow, or how long to stay away, where the kind has such a time."""

    kind: FaultKind
    seconds: float = 1.0

    @classmethod
    def parse(cls, value: "str | Mapping[str, Any] | Fault") -> Self:
        """From a kind's name, or `{"kind": ..., "seconds": ...}`; ValueError if there is no such kind."""
        if isinstance(value, Fault):
            return cls(value.kind, value.seconds)
        fields = {"kind": value} if isinstance(value, str) else value
        return cls(FaultKind(fields["kind"]), float(fields.get("seconds", 1.0)))

    def as_json(self) -> dict[str, Any]:
        """What `parse` reads."""
        return {"kind": self.kind, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Schedule:
    """Faults by chance: `rates` are probabilities by kind.

    The draw depends on the seed, the endpoint, the key and how often that key came, and not on the order in which
    concurrent requests arrive, so a run with the same seed meets the same faults.
    """

    seed: int
    rates: Mapping[FaultKind, float]
    seconds: float = 1.0

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From `{"seed": 1, "rates": {"hang": 0.1}, "seconds": 1.0}`; ValueError if the rates add up to over 1."""
        rates = {FaultKind(kind): float(rate) for kind, rate in fields["rates"].items()}
        if sum(rates.values()) > 1 or min(rates.values(), default=0) < 0:
            raise ValueError("rates must not be negative or add up to more than 1")
        return cls(int(fields["seed"]), rates, float(fields.get("seconds", 1.0)))

    def draw(self, endpoint: str, key: str, nth: int) -> Fault:
        """The fault for the `nth` call with this key."""
        chance = random.Random(f"{self.seed}:{endpoint}:{key}:{nth}").random()  # noqa: S311 - to be repeated
        for kind, rate in self.rates.items():
            chance -= rate
            if chance < 0:
                return Fault(kind, self.seconds)
        return NO_FAULT


NO_FAULT = Fault(FaultKind.NONE)


@dataclass(slots=True)
class Faults:
    """What goes wrong next. Scripts are per method and endpoint, and each entry is used once."""

    schedule: Schedule | None = None
    _scripts: dict[tuple[str, str], deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def script(self, method: str, endpoint: str, faults: Iterable[Fault]) -> None:
        """Let the next requests meet these faults, one each, after those scripted before."""
        self._scripts[method, endpoint].extend(faults)

    def next_is(self, kind: FaultKind, method: str, endpoint: str) -> bool:
        """Whether the next scripted fault is of this kind."""
        script = self._script(method, endpoint)
        return bool(script) and script[0].kind is kind

    def take(self, method: str, endpoint: str, key: str) -> Fault:
        """The fault of this request; scripted ones are used up. Schedules leave look-ups alone."""
        if script := self._script(method, endpoint):
            return script.popleft()
        if self.schedule is None or method != "POST":
            return NO_FAULT
        self._seen[endpoint, key] += 1
        return self.schedule.draw(endpoint, key, self._seen[endpoint, key])

    def _script(self, method: str, endpoint: str) -> deque[Fault]:
        own: deque[Fault] | None = self._scripts.get((method, endpoint))
        return own or self._scripts.get((method, ANY)) or deque()
