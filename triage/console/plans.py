"""What was shown to a person before many runs are changed: exactly these runs, once."""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from uuid import UUID, uuid4

from triage import errors

KEPT = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """Exactly these runs, shown to a person; used once."""

    what: str
    runs: tuple[UUID, ...]
    cut: bool
    back: str
    id: UUID = field(default_factory=uuid4)


class Plans:
    """The last plans that were shown and not yet carried out."""

    def __init__(self) -> None:
        """None yet."""
        self._plans: OrderedDict[UUID, Plan] = OrderedDict()
        self._lock = Lock()

    def keep(self, plan: Plan) -> Plan:
        """Keep it until it is taken, or others have come in between."""
        with self._lock:
            self._plans[plan.id] = plan
            while len(self._plans) > KEPT:
                self._plans.popitem(last=False)
        return plan

    def take(self, plan_id: str) -> Plan:
        """The plan, once; raises NotAllowed if it was taken or forgotten."""
        with self._lock:
            found = next((one for one in self._plans if str(one) == plan_id), None)
            if found is None:
                raise errors.NotAllowed("this was carried out already, or it is too old; choose the runs anew")
            return self._plans.pop(found)
