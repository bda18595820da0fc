"""Fakes that ship with the product: a real HTTP server that stands for the other systems, and misbehaves on request.

`with ToolServer() as server:` serves from a thread of this process, `with ToolProcess() as server:` from a process of
its own that outlives a killed worker and shares no interpreter lock with what is measured. Both are told what to do,
and asked what they really committed, through the same `Controls`. `python -m triage.testing` serves until SIGTERM.
"""

from triage.testing.controls import Controls, Entry
from triage.testing.faults import Fault, FaultKind
from triage.testing.ledger import Commit
from triage.testing.process import ToolProcess
from triage.testing.server import ToolServer
from triage.testing.settings import Settings

__all__ = ["Commit", "Controls", "Entry", "Fault", "FaultKind", "Settings", "ToolProcess", "ToolServer"]
