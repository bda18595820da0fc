"""The cases that every adapter plays against its system. Each ends with what really exists there.

A case is a function of a `Scene`, and its docstring is what it proves. Entering it is enough for everybody to play it.
"""

from tests.tools.cases import calls, content, faults, reads
from tests.tools.cases.registry import CASES, play

__all__ = ["CASES", "calls", "content", "faults", "play", "reads"]
