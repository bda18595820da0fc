"""A proxy between an adapter and a real server, which breaks single requests on request.

`with FaultProxy(server.url) as proxy:` serves from threads of this process, `with ProxyProcess(server.url) as proxy:`
from a process of its own that outlives a killed worker. Both are told what to do, and asked what they saw, through
the same `ProxyControls`. `python -m triage.testing.proxy --target URL` serves until standard input ends.
"""

from triage.testing.proxy.caller import Answer, Asked
from triage.testing.proxy.controls import Exchange, ProxyControls
from triage.testing.proxy.process import ProxyProcess
from triage.testing.proxy.server import FaultProxy

__all__ = ["Answer", "Asked", "Exchange", "FaultProxy", "ProxyControls", "ProxyProcess"]
