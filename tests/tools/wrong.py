"""Adapters that each do one thing wrong, and the cases that must notice it."""

# ruff: noqa: D102 - what is wrong is said once, by the class

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.tools.scene import fresh_key, renewed
from triage.errors import NotSent, OutcomeUnknown, Refused, ToolError
from triage.model import Finding, LiveValues, Marked, Request, Sent, ToolSpec
from triage.ports import Tool
from triage.testing.twins.issues import TOKEN
from triage.tools.adapter import compact
from triage.tools.trackers.github import GitHub


class Wrong:
    """Does as the adapter inside does; each of those below does one thing wrong. `caught` names cases that see it."""

    caught: tuple[str, ...] = ()

    def __init__(self, inside: Tool) -> None:
        self.inside = inside
        self.spec: ToolSpec = inside.spec
        self.last: Sent | None = None
        self.keys: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)


class Retries(Wrong):
    """Sends again by itself."""

    caught = ("commit then drop", "errors before", "errors after", "garbage", "huge", "one request")

    def send(self, request: Request) -> Sent:
        with suppress(ToolError):
            return self.inside.send(request)
        return self.inside.send(request)


class SendsTwice(Wrong):
    """Makes two requests for one call."""

    caught = ("create", "render")

    def send(self, request: Request) -> Sent:
        self.inside.send(request)
        return self.inside.send(request)


class Guesses(Wrong):
    """Takes every unknown outcome for a failure."""

    caught = ("commit then drop", "late commit", "errors before", "errors after", "unavailable", "garbage", "huge")

    def send(self, request: Request) -> Sent:
        try:
            return self.inside.send(request)
        except OutcomeUnknown as error:
            raise NotSent(str(error)) from error


class Hopes(Wrong):
    """Takes every unknown outcome for a success."""

    caught = ("commit then drop", "late commit", "errors before", "garbage", "hang", "huge", "one request")

    def send(self, request: Request) -> Sent:
        try:
            return self.inside.send(request)
        except OutcomeUnknown:
            return Sent("probably")


class Mute(Wrong):
    """Does not say why, nor when to come again."""

    caught = ("too often", "unauthorized", "refusals", "unknown target")

    def send(self, request: Request) -> Sent:
        try:
            return self.inside.send(request)
        except ToolError as error:
            raise type(error)("no") from error


class Confuses(Wrong):
    """Takes a definite no for an unknown outcome."""

    caught = ("too often", "unauthorized", "refusals", "unknown target")

    def send(self, request: Request) -> Sent:
        try:
            return self.inside.send(request)
        except (Refused, NotSent) as error:
            raise OutcomeUnknown(str(error)) from error


class Patient(Wrong):
    """Has a deadline of its own."""

    caught = ("hang", "late commit")

    def send(self, request: Request) -> Sent:
        return self.inside.send(renewed(request, 2.0))


class Babbles(Wrong):
    """Tells its token."""

    caught = ("refusals", "unauthorized")

    def send(self, request: Request) -> Sent:
        try:
            return self.inside.send(request)
        except ToolError as error:
            raise type(error)(f"{error}; I am {TOKEN}") from error


class Blinks(Wrong):
    """Takes a failed look-up for "absent", and finds its last object whatever it is asked for."""

    caught = ("look up fails", "hostile text", "deleted")

    def send(self, request: Request) -> Sent:
        self.last = self.inside.send(request)
        return self.last

    def find(self, request: Request) -> Sent | None:
        try:
            return self.inside.find(request) or self.last
        except NotSent:
            return None


class Sleeps(Wrong):
    """Finds nothing, lists nothing, reads nothing back, and thinks that all is well."""

    caught = (
        "repeat",
        "sweep",
        "two with one key",
        "marker dropped",
        "live values",
        "wrong credentials",
        "large neighbours",
    )

    def find(self, request: Request) -> Sent | None:  # noqa: ARG002 - it does not look
        return None

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:  # noqa: ARG002 - it does not look
        return ()

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:  # noqa: ARG002 - it does not look
        return ()

    def values(self, deadline: float) -> LiveValues:  # noqa: ARG002 - it does not look
        return LiveValues(frozenset({"nothing"}))

    def preflight(self, deadline: float) -> Iterable[Finding]:  # noqa: ARG002 - it does not look
        return [Finding("all", good=True, found="is well")]


class Worries(Wrong):
    """Finds fault with everything."""

    caught = ("nothing dropped", "preflight")

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:  # noqa: ARG002 - it does not look
        return ("everything was left out",)

    def preflight(self, deadline: float) -> Iterable[Finding]:  # noqa: ARG002 - it does not look
        return [Finding("all", good=False, found="is bad", mend="buy a new one")]


class Shrugs(Wrong):
    """Takes a system that does not answer for one that has nothing."""

    caught = ("other reads fail",)

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        try:
            return list(self.inside.marked(since, deadline))
        except NotSent:
            return []


class Loses(Wrong):
    """Leaves labels out without a word."""

    caught = ("invented",)

    def send(self, request: Request) -> Sent:
        return self.inside.send(replace(request, content={**request.content, "labels": []}))

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:  # noqa: ARG002 - it does not look
        return ()


class Pretends(Wrong):
    """Sends something else than it shows."""

    caught = ("render",)

    def render(self, request: Request) -> bytes:
        return self.inside.render(request) + b" "


class Forgets(Wrong):
    """Takes a new key for each call."""

    caught = ("create", "repeat", "commit then drop", "late commit")

    def send(self, request: Request) -> Sent:
        return self.inside.send(replace(request, key=fresh_key()))


class Raw(GitHub):
    """Writes the draft as it is, and cuts it without a word."""

    def render(self, request: Request) -> bytes:
        """Its key comes first, so that a forged one counts."""
        title, text = str(request.content["title"])[:200], str(request.content["text"])[:60_000]
        return compact({"title": title, "body": f"<!-- triage-run:v1:{request.key} -->\n{text}", "labels": []})


class Writes(Wrong):
    """Sends the draft raw."""

    caught = ("odd drafts", "oversized", "hostile text")

    def __init__(self, inside: Tool) -> None:
        raw: Any = object.__new__(Raw)
        raw.__dict__.update(vars(inside))
        super().__init__(raw)


WRONG: tuple[type[Wrong], ...] = tuple(Wrong.__subclasses__())
