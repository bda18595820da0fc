"""The one error of the embedded servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_LINES = 12


class LocalError(RuntimeError):
    """An embedded server could not be found, started or stopped.

    The message says what happened, which log file tells more (with its last lines), and what to do. It never
    holds a password.
    """

    @classmethod
    def with_log(cls, what: str, log: Path, advice: str) -> LocalError:
        """Build the error from `what` happened, the end of the file `log`, and the `advice` what to do."""
        return cls(f"{what}\nThe last lines of {log}:\n{tail(log)}\n{advice}")


def tail(log: Path) -> str:
    """Return the last lines of a log file, indented; a note when there are none."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        lines = []
    return "\n".join(f"    {line}" for line in lines or ["(nothing written)"])
