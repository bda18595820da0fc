"""Ways to decide, built from their parts: the one that is set, and candidates beside it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from triage.config import Settings
from triage.decide.candidate import Canary, Keeper, Own, Shadow, Strict
from triage.decide.cascade import Cascade, Classifier, Duplicates
from triage.decide.rules import Rules
from triage.decide.variant import CandidateSettings
from triage.model.money import Limits
from triage.ports import Decider

if TYPE_CHECKING:
    from triage.decide.llm.ask import Asker
    from triage.decide.llm.paid import PaidAsker, Purse

TRIES = 3
"""How often a trial asks a busy model about one report."""


@dataclass(frozen=True, slots=True)
class Built:
    """The parts of a way to decide; only the rules need to be there."""

    rules: Rules
    classifier: Classifier | None
    asker: "Asker | None"
    duplicates: Duplicates | None

    def counting(self, purse: "Purse") -> Cascade:
        """One that decides runs, and leaves to a person what the model does not decide."""
        return Cascade(self.rules, self.classifier, paid(self.asker, purse) if self.asker else None, self.duplicates)

    def trying(self, purse: "Purse") -> Cascade:
        """One that says `NotAsked` where the model could not be asked. It looks for no earlier reports."""
        return Cascade(self.rules, self.classifier, self._strict(purse, TRIES))

    def shadowing(self, purse: "Purse") -> Cascade:
        """As `trying`, but a busy model is not waited for."""
        return Cascade(self.rules, self.classifier, self._strict(purse), self.duplicates)

    def _strict(self, purse: "Purse", tries: int = 1) -> Strict | None:
        return Strict(paid(self.asker, purse), tries) if self.asker else None


def paid(asker: "Asker", purse: "Purse") -> "PaidAsker":
    """One who asks with this purse's money."""
    from triage.decide.llm.paid import PaidAsker  # noqa: PLC0415 - its libraries take a second and 50 MB

    return PaidAsker(asker, purse)


class Lazy:
    """A way that is built when it is first needed, on the thread that needs it; what that raises is its answer."""

    def __init__(self, build: Callable[[], Built]) -> None:
        """Builds nothing yet."""
        self._build = build
        self._lock = threading.Lock()
        self._built: Built | None = None

    def shadowing(self, purse: "Purse") -> Cascade:
        """See `Built`."""
        with self._lock:
            self._built = self._built or self._build()
        return self._built.shadowing(purse)


def beside(
    current: Decider,
    chosen: CandidateSettings,
    build: Callable[[], Built],
    purse: "Purse",
    half: "Purse",
    keeper: Keeper,
) -> Decider:
    """The current way with a candidate beside it. A shadow pays from `half` a purse, and is built on its own thread."""
    if chosen.mode == "canary":
        return Canary(current, build().counting(Own(purse, chosen.name)), chosen.name, chosen.share)
    return Shadow(current, Lazy(build).shadowing, chosen.name, chosen.share, half, keeper)


def limits(settings: Settings) -> Limits:
    """What may be spent: as it is set for the current way's model, or the candidate's where only that has one."""
    llm = settings.llm or (settings.candidate and settings.candidate.llm_beside(None))
    return llm.budgets.limits if llm else Limits()


def halved(whole: Limits) -> Limits:
    """Half of each: who keeps to these leaves the other half of every budget to those who keep to the whole."""
    found = {field.name: getattr(whole, field.name) for field in fields(Limits)}
    return Limits(**{name: None if limit is None else limit // 2 for name, limit in found.items()})
