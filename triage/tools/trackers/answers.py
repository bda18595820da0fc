"""Reading the answers of look-ups: what has not the right shape has taught us nothing."""

import json

from triage.errors import NotSent
from triage.model import Json
from triage.tools.transport import Answer


def value_of(answer: Answer) -> object:
    """The answer's JSON; None if it is none."""
    try:
        value: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return value


def object_of(answer: Answer) -> Json:
    """The answer's JSON object; empty if it is none."""
    return inner(value_of(answer))


def objects_of(answer: Answer, *names: str | None) -> list[Json]:
    """The list of objects under the first of these names that is there (None: the answer itself); raises `NotSent`."""
    fields = object_of(answer)
    found = value_of(answer) if None in names else next((fields[name] for name in names if name in fields), None)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise NotSent(f"the look-up failed: status {answer.status}, and no list of objects")
    return found


def inner(value: object) -> Json:
    """An object inside an answer; empty if it is none."""
    return value if isinstance(value, dict) else {}


def inners(value: object) -> list[Json]:
    """The objects of a list inside an answer; empty if it is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """The texts of a list inside an answer; empty if it is none."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
