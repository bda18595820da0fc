"""The product's workers with the guards taken out, to see what they cost. Only for `make bench`."""

from triage import toolset
from triage.ports import Tool


def bare(tool: Tool, **_given: object) -> Tool:
    """The tool itself."""
    return tool


toolset.guarded = bare

from workers.app import app  # noqa: E402 - the workers build their tools later

__all__ = ["app"]
