"""The model that decides now: a file that is set, or whichever of the stored ones is in use.

This is imported by every worker, so numpy is not imported before there is a model to read.
"""

import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from triage import clock, telemetry
from triage.decide.opinion import Opinion
from triage.errors import InvalidSetting, NotAllowed, StoreUnavailable
from triage.model import Kind

if TYPE_CHECKING:
    from triage.decide.learned.model import Model

FRESH = timedelta(seconds=10)
"""How long it is not asked again which version is in use."""

log = structlog.get_logger()


class Shelf(Protocol):
    """Where models are stored; both methods raise `StoreUnavailable`."""

    def in_use(self) -> str | None:
        """The version that decides now; None if none does."""
        ...

    def content(self, version: str) -> bytes:
        """The file of a version; raises `NotAllowed` if it is not there."""
        ...


class Current:
    """A `cascade.Classifier` for all threads of a process, with the stored model that is in use.

    It is read when the first decision needs it, which all others wait for. From then on one decision in ten seconds
    asks which version is in use, and the others go on with the model that is there. One that cannot be read changes
    nothing, and is told once in the log.
    """

    def __init__(self, shelf: Shelf, fresh: timedelta = FRESH) -> None:
        """Reads nothing yet."""
        self._shelf = shelf
        self._fresh_for = fresh.total_seconds()
        self._looking = threading.Lock()
        self._looked = False
        self._next = float("-inf")
        self._tried: str | None = None
        self._model: Model | None = None
        self._thresholds: dict[str, float | None] = {}

    def opinion(self, title: str, body: str) -> Opinion | None:
        """The likeliest kind, however unsure; None while no model is in use.

        Raises:
            StoreUnavailable: it could not be found out yet whether there is one. Deciding without would be worse.
        """
        model = self._fresh()
        return model.opinion(title, body) if model else None

    def sure(self, opinion: Opinion) -> bool:
        """Whether it is right often enough, by the model that said it, also if another one is in use by now."""
        threshold = self._thresholds.get(opinion.version)
        return threshold is not None and opinion.confidence >= threshold

    def _fresh(self) -> "Model | None":
        if clock.now() >= self._next and self._looking.acquire(blocking=not self._looked):
            try:
                if clock.now() >= self._next:
                    self._look()
            finally:
                self._looking.release()
        return self._model

    def _look(self) -> None:
        try:
            self._turn_to(self._shelf.in_use())
        except StoreUnavailable as error:
            if not self._looked:
                raise
            log.warning(telemetry.LEARNED_FAILED, why=str(error))
        self._looked, self._next = True, clock.now() + self._fresh_for

    def _turn_to(self, version: str | None) -> None:
        """A version that cannot be read is not tried again until another one was in use."""
        if version == self._tried:
            return
        try:
            self._take(stored(self._shelf, version) if version else None)
        except (InvalidSetting, NotAllowed) as error:
            log.error(telemetry.LEARNED_FAILED, version=version, why=str(error), still=self._version)  # noqa: TRY400
        self._tried = version

    def _take(self, model: "Model | None") -> None:
        if model:
            self._thresholds[model.version] = model.threshold
        self._model = model
        log.info(telemetry.LEARNED, version=self._version)

    @property
    def _version(self) -> str | None:
        return self._model.version if self._model else None


def stored(shelf: Shelf, version: str) -> "Model":
    """A stored model; raises `InvalidSetting` if it cannot decide here, and what the shelf raises."""
    try:
        from triage.decide.learned import fileformat  # noqa: PLC0415 - numpy, for those who use it
    except ModuleNotFoundError as error:
        raise InvalidSetting(f"{error.name} is not installed, which the model {version} needs") from None
    return _of_kinds(fileformat.read(shelf.content(version), version), version)


def from_file(path: Path) -> "Model":
    """A model out of a file; raises `InvalidSetting` if it cannot decide."""
    from triage.decide.learned import fileformat  # noqa: PLC0415 - as above

    return _of_kinds(fileformat.load(path), str(path))


def _of_kinds(model: "Model", name: str) -> "Model":
    if strange := strange_to(model):
        told = f"{name} knows {', '.join(strange)}, which are no kinds of reports"
        raise InvalidSetting(f"{told}; learn anew with --map LABEL=KIND")
    return model


def strange_to(model: "Model") -> list[str]:
    """The classes of a model that are no kinds of reports."""
    return sorted(set(model.classes) - set(Kind))
