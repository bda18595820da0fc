"""What the notifiers share: sizes, what becomes of an unknown outcome, reading look-ups, checks of a set-up."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

from pydantic import Field

from triage.errors import NotSent, OutcomeUnknown, Refused, ToolError
from triage.model import Finding, Json, Request, ToolClass
from triage.tools.adapter import usable_link
from triage.tools.settings import ToolSettings
from triage.tools.transport import LONGEST_RETRY_AFTER, Answer, Transport, excerpt

KEY = re.compile(r"[0-9a-f]{64}")
LONGEST_TEXT = 4_000
"""In the flavour's unit. All systems but Discord take more, and nobody reads more of a notice."""


class UnaskableSettings(ToolSettings):
    """A tool that neither keeps a key nor can be asked."""

    on_unknown: Literal["hold", "resend"] = Field(
        default="hold",
        description="when an answer was lost: `hold` waits for a person, `resend` sends the same again",
    )

    @property
    def tool_class(self) -> ToolClass:
        """What its owner chose."""
        return ToolClass.BLIND if self.on_unknown == "hold" else ToolClass.REPEATED


def quoted(value: object) -> str:
    """A value of another system's JSON as words for logs and pages."""
    return excerpt(str(value).encode("utf-8", "replace"))


@contextmanager
def naming(target: str) -> Iterator[None]:
    """Let a refusal name the place that the other system does not want to take it for."""
    try:
        yield
    except Refused as error:
        raise Refused(f"{quoted(target)}: {error}") from error


def link_of(content: Json) -> str:
    """The ticket's link; empty if it is only an id, or none that can be followed."""
    return usable_link(content.get("link"))


def key_in(value: object) -> str:
    """A marker's key; empty if it is none."""
    return value if isinstance(value, str) and KEY.fullmatch(value) else ""


def looked(answer: Answer) -> Json:
    """A look-up's JSON object; raises `NotSent` if it is none."""
    try:
        return answer.fields()
    except OutcomeUnknown as error:
        raise NotSent(f"the look-up failed: {error}") from error


def seconds_in(answer: Answer, name: str, unit: timedelta) -> timedelta | None:
    """The wait that an answer's JSON asks for, in so many units and at most an hour; None if it does not."""
    try:
        seconds = float(answer.fields()[name]) * unit.total_seconds()
        return timedelta(seconds=min(max(seconds, 0.0), LONGEST_RETRY_AFTER.total_seconds()))
    except (OutcomeUnknown, KeyError, TypeError, ValueError):  # ValueError: also JSON's NaN
        return None


def checked(part: str, check: Callable[[], str], mend: str) -> Finding:
    """What a check found; one that ends with a tool's error is not well, and `mend` says what to do."""
    try:
        return Finding(part, True, check())
    except ToolError as error:
        return Finding(part, False, str(error), mend)


def answers(transport: Transport, url: str, deadline: float) -> str:
    """A check of an address that can only be written to: any answer at all will do."""
    answer = transport.look("GET", url, b"", [], deadline)
    return f"answers with status {answer.status}"


def absent(find: Callable[[Request], object], target: str, deadline: float) -> str:
    """A check that a key which nobody has used is not found."""
    if find(Request(secrets.token_hex(32), target, {}, deadline)) is not None:
        raise NotSent("it finds what does not exist")
    return f"{target} can be read, and what does not exist is not found"
