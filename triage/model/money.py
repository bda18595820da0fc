"""What asking a language model may cost, and what it did cost; all amounts are whole micro-USD."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from triage.model.report import Json

Scope: TypeAlias = Literal["run", "source", "day", "month", "total", "reporter", "asks"]
"""The budgets: of one run, of one source on one day, of one day, of one month, and for ever; of one reporter on one
day, and as `asks` how often he may cause one in an hour."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may be spent, in micro-USD; None is no limit. `source` is for each source on each day.

    `reporter` is for each reporter of each source on each day, and `asks` how many each may cause in an hour. Those of
    a source who are not named count as one.
    """

    run: int | None = None
    source: int | None = None
    day: int | None = None
    month: int | None = None
    total: int | None = None
    reporter: int | None = None
    asks: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is about to be asked, for which attempt, and the most that it can cost (`worst`, micro-USD).

    `digest` (32 bytes) is the same for the same question; `model` and `prompt` say who is asked and with which version
    of the words. After `lifetime` an ask that was not settled is held for lost.
    """

    run_id: UUID
    claim_id: UUID
    fence: int
    digest: bytes
    model: str
    prompt: str
    worst: int
    lifetime: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Reserved:
    """There is room for it, and nobody else can take that."""

    reservation_id: UUID


@dataclass(frozen=True, slots=True)
class NoRoom:
    """This budget has no room for it: nothing was reserved and nothing may be asked. `asks`: too many this hour."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Answered:
    """An earlier attempt of this run was told this, and paid for it."""

    answer: Json


@dataclass(frozen=True, slots=True)
class Bill:
    """What an ask came to; `spent` in micro-USD. `cached` tokens are among the input's, `reasoning` the output's."""

    model: str
    spent: int
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
