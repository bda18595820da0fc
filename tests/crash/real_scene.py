"""The same world with real systems: what exists is read from themselves."""

from tests.crash.scene import EffectNow, Scene
from tests.crash.systems import Systems, certificates
from triage.model import Stage
from triage.testing import Commit


class RealScene(Scene):
    """One trial's share of systems that all trials use."""

    @property
    def systems(self) -> Systems:
        """Of all lanes."""
        if self.lane.tools.real is None:
            raise AssertionError("the real systems were not started")
        return self.lane.tools.real

    @property
    def title(self) -> str:
        """Words that no other trial's objects have."""
        return title(self.serial)

    def endpoint(self, what: str) -> str:
        """Only a name here."""
        return f"real/{what}-{self.serial}"

    def commits(self, what: str) -> list[Commit]:
        """What the other system has."""
        return self.systems.commits(what, self.title)

    def comments(self) -> int:
        """Notes on the issues of this trial."""
        return len(list(self.systems.notes(self.title)))

    def may_be_made(self, effect: EffectNow) -> bool:
        """Only what the mail server did with a mail cannot be found out."""
        return super().may_be_made(effect) and effect.stage is Stage.NOTIFY

    def close(self) -> None:
        """Leave little behind."""
        self.systems.put_aside(self.title)
        super().close()

    def _break(self) -> None:
        if self.case.faults:
            self.systems.break_ticket(self.title, *self.case.faults)

    def _tool(self, what: str) -> dict[str, str]:
        case = self.case
        times = {"tickets": {"quarantine": f"PT{case.quarantine:g}S"}, "notices": {"on_unknown": case.on_unknown}}
        return {**self.systems.tool(what), "timeout": f"PT{case.timeout:g}S", **times.get(what, {})}

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), **certificates(self.systems)}


def title(serial: int) -> str:
    """What the reports of this trial are called, and so what is made of them."""
    return f"Data loss: all orders of trial {serial} are gone"


def late(systems: Systems, endpoint: str, known: int) -> int:
    """How many objects came after the trial had ended, by the name of an endpoint."""
    what, _, serial = endpoint.removeprefix("real/").partition("-")
    return len(systems.commits(what, title(int(serial)))) - known
