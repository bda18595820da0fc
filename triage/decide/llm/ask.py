"""Ask a language model about one report, once, before a deadline."""

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from pydantic_ai.models import Model

from triage import clock, errors
from triage.decide.llm import clients, trouble
from triage.decide.llm.answer import Answer, answer_type
from triage.decide.llm.door import CONNECT, Door
from triage.decide.llm.loop import EventLoop, refuse_green_threads, shared
from triage.decide.llm.meter import TRIES, Count, Meter
from triage.decide.llm.prompts import MOST_CANDIDATES, Candidate, Prompt, alias, compose
from triage.decide.llm.settings import LlmSettings, ModelChoice
from triage.decide.llm.talk import talk
from triage.decide.opinion import Opinion
from triage.decide.prices import Prices
from triage.model import Report, digest
from triage.model.money import Bill

STEP = "llm"
"""As whom the opinions of this step are signed."""
HTTPS = 443
LEAST = 1.0
"""Seconds that must be left for another model to be asked."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One question: the words, the kinds that may be answered, and the ids behind the candidates' aliases."""

    prompt: Prompt
    kinds: tuple[str, ...]
    candidates: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        """32 bytes that are the same for the same question."""
        return digest({"version": self.prompt.version, "text": self.prompt.text, "candidates": list(self.candidates)})


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it: an opinion, or None and `why` a person has to decide. `duplicate` is a candidate's id."""

    opinion: Opinion | None
    bill: Bill
    duplicate: str | None = None
    why: str = ""


class Asker:
    """For all threads of a process; clients are built at the first ask, and anew after a fork."""

    def __init__(self, settings: LlmSettings, loop: EventLoop = shared, door: Door | None = None) -> None:
        """Opens nothing yet. `door` says where it may connect to; None is for tests: anywhere."""
        self._settings = settings
        self._loop = loop
        self._door = door
        self._prices = Prices(settings.prices)
        self._lock = threading.Lock()
        self._models: dict[str, Model[Any]] = {}
        self._clients: list[httpx2.AsyncClient] = []
        os.register_at_fork(after_in_child=self._forget)

    def check(self) -> None:
        """For `doctor`, and before any money is reserved: every model has a price and a key. Sends nothing.

        Raises:
            InvalidSetting: one has not, or this process has green threads, or the extra is not installed.
        """
        refuse_green_threads()
        for choice in self._settings.choices:
            self._prices.check(choice.provider, choice.model)
            self._model(choice)

    def check_places(self) -> None:
        """For `doctor`: every model's name leads to an address that may be connected to. Only the resolver is asked.

        Raises:
            InvalidSetting: one does not; the message says what to change.
        """
        for choice in self._settings.choices:
            url = httpx2.URL(self._model(choice).base_url or "")
            try:
                if self._door is not None:
                    self._door(url.host, url.port or HTTPS, clock.now() + CONNECT)
            except (errors.Refused, OSError, ValueError) as error:
                raise errors.InvalidSetting(f"{choice.name}: {error}") from error

    @property
    def first(self) -> str:
        """The name of the model that is asked first."""
        return self._settings.model.name

    def inquire(
        self, report: Report, alternatives: Sequence[str] = (), candidates: Sequence[Candidate] = ()
    ) -> Inquiry:
        """The question: a choice between the first two `alternatives` if both are set, else among all set kinds."""
        likely = [kind for kind in self._settings.kinds if kind in alternatives[:2]]
        kinds = likely if len(likely) > 1 else self._settings.kinds
        shown = tuple(candidates[:MOST_CANDIDATES])
        names = tuple(str(kind) for kind in kinds)
        return Inquiry(compose(report, names, shown, self._settings.prompts), names, tuple(one.id for one in shown))

    def worst(self, inquiry: Inquiry) -> int:
        """The most (micro-USD) that asking this can cost, over all tries of all models. Raises InvalidSetting."""
        count = self.meter(inquiry)
        return sum(TRIES * count.worst(choice) for choice in self._settings.choices)

    def meter(self, inquiry: Inquiry) -> Meter:
        """What counts this ask."""
        return Meter(self._prices, inquiry.prompt.size)

    def ask(
        self,
        report: Report,
        alternatives: Sequence[str] = (),
        candidates: Sequence[Candidate] = (),
        *,
        deadline: float,
    ) -> Asked:
        """Ask about a report; `deadline` is in seconds of `clock.now()`. See `ask_about`."""
        inquiry = self.inquire(report, alternatives, candidates)
        return self.ask_about(inquiry, deadline, self.meter(inquiry))

    def ask_about(self, inquiry: Inquiry, deadline: float, count: Meter) -> Asked:
        """One request, and at most two more after invalid answers; then the same with the fallback, if it was no use.

        `count` has what it came to, also when this raises.

        Raises:
            ModelBusy: nothing was asked; `retry_after` is the wait that was asked for, or None.
            ModelLost: no answer came in time.
            ModelDenied: a person has to mend the settings.
        """
        failure: errors.ToolError | None = None
        for choice in self._settings.choices:
            if failure is not None and deadline - clock.now() < LEAST:
                break
            try:
                return self._ask_one(choice, inquiry, deadline, count)
            except errors.ToolError as error:
                failure = error
        raise failure or AssertionError("there is always a model")

    def _ask_one(self, choice: ModelChoice, inquiry: Inquiry, deadline: float, count: Meter) -> Asked:
        """Raises ToolError when this model could not be asked."""
        model, said = self._model(choice), Count()
        wanted = answer_type(inquiry.kinds, len(inquiry.candidates))
        until = min(deadline, clock.now() + choice.timeout.total_seconds())
        if until <= clock.now():
            raise trouble.ModelBusy(f"{choice.name}: the deadline passed before anything was sent")
        try:
            answer = self._loop.run(lambda: talk(model, choice, inquiry.prompt, wanted, said, until), until)
        except trouble.Useless as error:
            count.add(choice, said, owed=error.owed)
            return Asked(None, count.bill, why=str(error))
        except errors.ToolError as error:
            count.add(choice, said, owed=isinstance(error, errors.OutcomeUnknown))
            raise
        except TimeoutError:
            count.add(choice, said, owed=True)
            raise trouble.ModelLost(f"{choice.name}: no answer before the deadline") from None
        count.add(choice, said, owed=False)
        return _asked(answer, choice, inquiry, count.bill)

    def _model(self, choice: ModelChoice) -> Model[Any]:
        """Built in the caller's thread: the SDK's import takes a second, in which the loop would stand still."""
        with self._lock:
            if choice.name not in self._models:
                client = clients.http_client(choice.timeout.total_seconds(), self._door)
                self._models[choice.name] = clients.build(choice, client)
                self._clients.append(client)
                self._loop.at_exit(self._close)
            return self._models[choice.name]

    async def _close(self) -> None:
        open_ones = self._clients[:]
        self._forget()
        await asyncio.gather(*(client.aclose() for client in open_ones))

    def _forget(self) -> None:
        """A forked child must not use its parent's connections."""
        self._lock, self._models, self._clients = threading.Lock(), {}, []


def _asked(answer: Answer, choice: ModelChoice, inquiry: Inquiry, bill: Bill) -> Asked:
    rest = tuple((kind, round(1 - answer.confidence, 6)) for kind in inquiry.kinds if kind != answer.kind)
    opinion = Opinion(
        kind=answer.kind,
        confidence=answer.confidence,
        alternatives=rest if len(rest) == 1 else (),
        decided_by=STEP,
        version=f"{inquiry.prompt.version} {choice.name}",
        reason=answer.note or "the model gave no reason",
    )
    by_alias = {alias(number): name for number, name in enumerate(inquiry.candidates, 1)}
    return Asked(opinion, bill, duplicate=by_alias.get(answer.duplicate or ""))
