"""What the trackers share: labels, lists in pages, waits."""

import email.utils
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from triage.errors import InvalidSetting, NotSent, OutcomeUnknown, Refused
from triage.model import Json, Sent
from triage.text import neutral
from triage.tools.adapter import usable_id, usable_link
from triage.tools.settings import ToolSettings
from triage.tools.transport import LONGEST_RETRY_AFTER, Answer, failure

LABEL = "triage-bot"
"""On every ticket, so that people can filter ours."""
PRIORITIES = {"critical": 1, "high": 2, "medium": 3, "low": 4}
"""From 1, the most urgent, to 4."""
TOKEN = re.compile(r"[\x21-\x7e]+")
PAGE = 20
"""How many objects a page of a list has: so many of our own longest fit into what a look-up may answer, even if each
character of them is written in the twelve bytes that JSON may take for it."""
MOST_PAGES = 150
"""No list is read further than this."""
UNMARKED = "the marker is missing: it cannot be found again"


class TooMany(NotSent):
    """A list has more pages than are read."""


def checked_token(token: str) -> str:
    """A token as it goes into a header; raises InvalidSetting, which does not show it."""
    if not TOKEN.fullmatch(token.strip()):
        raise InvalidSetting("the token is empty, or contains characters that a header cannot carry")
    return token.strip()


def places(settings: ToolSettings) -> tuple[str, ...]:
    """Every target that the settings name."""
    return tuple(sorted({settings.target, *settings.routes.values()} - {""}))


def labels_of(content: Json, *always: str) -> list[str]:
    """Those that every ticket has, and then the draft's, made inert; none twice, however it is written."""
    given = content.get("labels")
    wanted = (neutral.line(label) for label in (given if isinstance(given, list) else ()) if isinstance(label, str))
    labels: dict[str, str] = {}
    for label in (*always, *wanted):
        labels.setdefault(label.casefold(), label)
    return [label for label in labels.values() if label]


def left_out(wanted: Iterable[str], kept: Iterable[object]) -> tuple[str, ...]:
    """Which labels are not there, in words."""
    there = {label.casefold() for label in kept if isinstance(label, str)}
    return tuple(f"label '{label}' was left out" for label in wanted if label.casefold() not in there)


def priority_of(content: Json) -> int:
    """From 1, the most urgent, to 4; 3 for a severity that nobody knows."""
    return PRIORITIES.get(str(content.get("severity")), 3)


def severity_of(priorities: Mapping[str, object], value: object) -> str:
    """The severity that a priority stands for; empty if it may stand for several, or if not every severity sets one.

    What is filed without a priority gets the tracker's usual one, which must not be taken for somebody's word.
    """
    if not priorities.keys() >= PRIORITIES.keys():
        return ""
    meant = [severity for severity, its in priorities.items() if its == value]
    return meant[0] if len(meant) == 1 else ""


def made(fields: Json, number: str, link: object) -> Sent:
    """The object of an answer, by its field `number`; raises `OutcomeUnknown` if it has no id that can be kept."""
    remote_id = usable_id(fields.get(number))
    if not remote_id:
        raise OutcomeUnknown("the answer has no id that can be kept")
    return Sent(remote_id, usable_link(link))


def nowhere(target: str, answer: Answer) -> Refused:
    """What to raise where the target does not exist for us."""
    return Refused(f"'{target}' does not exist there, or we may not file in it: {failure(answer)}")


def listed(sent: Callable[[], Sent]) -> Sent:
    """An object of a list; raises `NotSent` where reading it raises `OutcomeUnknown`, as nothing was learned."""
    try:
        return sent()
    except OutcomeUnknown as error:
        raise NotSent(f"the look-up failed: {error}") from error


def fields_of(answer: Answer) -> Json:
    """The answer's JSON object; raises `NotSent` if it is none."""
    try:
        return answer.fields()
    except OutcomeUnknown as error:
        raise NotSent(f"the look-up failed: {error}") from error


def items_of(answer: Answer) -> list[Json]:
    """The answer's JSON objects; raises `NotSent` if it is no list of them."""
    try:
        value = answer.value()
    except OutcomeUnknown as error:
        raise NotSent(f"the look-up failed: {error}") from error
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NotSent("the look-up failed: the answer is no list of objects")
    return value


def paged(page: Callable[[int], Sequence[Json]]) -> Iterator[Json]:
    """The objects of the pages 1, 2, … until one is empty; a short one may only have been filtered.

    Raises `TooMany` behind the last page that is read.
    """
    for number in range(1, MOST_PAGES + 1):
        items = page(number)
        yield from items
        if not items:
            return
    raise TooMany(f"the look-up failed: there are more than {MOST_PAGES} pages")


def names(items: Iterator[Json], field: str) -> frozenset[str] | None:
    """A field of all objects; None if there are too many: half a list would forbid what exists."""
    try:
        return frozenset(str(item[field]) for item in items if field in item)
    except TooMany:
        return None


def ago(period: timedelta) -> str:
    """That long ago, in ISO 8601."""
    return stamp(datetime.now(UTC) - period)


def stamp(moment: datetime) -> str:
    """A moment in ISO 8601, in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def until(headers: Mapping[str, str], name: str, unit: timedelta) -> timedelta | None:
    """The wait until the time in a header, in units since 1970, by the server's own clock; None if there is none."""
    try:
        then = float(headers[name]) * unit.total_seconds()
        now = email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None
    return timedelta(seconds=min(max(then - now, 0.0), LONGEST_RETRY_AFTER.total_seconds()))
