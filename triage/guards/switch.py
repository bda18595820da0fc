"""The kill switch: a person put this tool, or every tool, out of service.

It refuses because somebody said so, and says who and why. The state is this process's copy, half a second old.
If it cannot be told, `StoreUnavailable` leaves and nothing is sent: nobody knows that the switch is not off.
"""

from datetime import timedelta

from triage.errors import Postponed
from triage.guards.base import Guard
from triage.model import Request, Sent
from triage.ports import SharedState, Tool

ALL_TOOLS = "*"
LOOK_AGAIN = timedelta(seconds=30)


class KillSwitch(Guard):
    """Sends nothing while the tool's own switch, or the one for all tools (`*`), is off.

    The switch of a tracker holds its comments, too.
    """

    def __init__(self, tool: Tool, shared: SharedState) -> None:
        """`shared` knows the switches."""
        super().__init__(tool)
        self._shared = shared

    def send(self, request: Request) -> Sent:
        """Send, or raise `Postponed` until somebody switches it on again."""
        for name in (self.spec.name, self.spec.beside, ALL_TOOLS):
            if name and (why := self._shared.tool(name).switched_off):
                what = "every tool" if name == ALL_TOOLS else name
                raise Postponed(f"{what} is switched off: {why}", LOOK_AGAIN, waits_on="switch")
        return self._tool.send(request)
