"""What a GraphQL answer says. Errors come with HTTP 200 or 400, and beside data."""

from dataclasses import dataclass
from typing import Any

from triage.model import Json
from triage.tools.transport import Answer, excerpt

CREDENTIALS = {"AUTHENTICATION_ERROR", "UNAUTHENTICATED", "authentication error"}
LIMITED = {"RATELIMITED", "ratelimited"}
DEFINITE = {
    *("INPUT_ERROR", "BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED", "FORBIDDEN"),
    *("FEATURE_NOT_ACCESSIBLE", "USAGE_LIMIT_EXCEEDED"),
    *("invalid input", "user error", "graphql error", "forbidden", "feature not accessible", "usage limit exceeded"),
}
"""Codes and types after which surely nothing was done; not among them are locks, networks and inner errors."""
EXISTS = ("conflict on insert of issue", "entity issue with id")
MISSING = "entity not found"


@dataclass(frozen=True, slots=True)
class Problem:
    """The errors of an answer: what they are about, and their words."""

    words: str
    exists: bool = False
    missing: bool = False
    limited: bool = False
    credentials: bool = False
    definite: bool = False


def problem(answer: Answer, fields: Json) -> Problem | None:
    """What went wrong; None if there are data and no errors."""
    errors = fields.get("errors")
    if isinstance(errors, list) and errors:
        return _judged([error if isinstance(error, dict) else {} for error in errors])
    if answer.good and isinstance(fields.get("data"), dict):
        return None
    return Problem(f"status {answer.status}: {excerpt(answer.body)}", definite=not answer.good)


def part(fields: Json, *names: str) -> Json:
    """An object within objects; empty if there is none."""
    value: Any = fields
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def nodes(connection: Json) -> list[Json]:
    """The objects of a connection."""
    found = connection.get("nodes")
    return [node for node in found if isinstance(node, dict)] if isinstance(found, list) else []


def _judged(errors: list[Json]) -> Problem:
    """Several errors are as definite as the least definite one."""
    words = "; ".join(_words(error) for error in errors)
    said = words.casefold()
    codes = [_codes(error) for error in errors]
    return Problem(
        excerpt(words.encode()),
        exists=any(known in said for known in EXISTS),
        missing=all(MISSING in _words(error).casefold() for error in errors),
        limited=any(code & LIMITED for code in codes),
        credentials=any(code & CREDENTIALS for code in codes),
        definite=all(code & DEFINITE for code in codes),
    )


def _words(error: Json) -> str:
    more = part(error, "extensions").get("userPresentableMessage")
    return " ".join(str(text) for text in (error.get("message"), more) if text)


def _codes(error: Json) -> set[str]:
    extensions = part(error, "extensions")
    return {str(extensions.get(name)) for name in ("code", "type")}
