"""The reports that both systems work on: about 1 KB each, told apart by a mark in the title."""

from typing import Any

MARK = "bench-"
MARK_LENGTH = len(MARK) + 8
_BODY = (
    "Steps to reproduce: open the settings, choose a profile, press apply twice and go back to the list. "
    "Expected: the profile is shown as active. Actual: the window freezes for some seconds and the list is empty. "
    "Happens since the last update on two machines, with and without extensions. "
)
_VARIANTS = (
    "The window freezes after applying a profile",
    "Crash when the list of profiles is opened",
    "Please add a way to export profiles",
    "Documentation of profiles is out of date",
)


def fields(number: int) -> dict[str, Any]:
    """The fields of report `number`; every number is another run."""
    mark = f"{MARK}{number:08d}"
    return {
        "source": f"bench{number % 4}",
        "source_id": mark,
        "title": f"{mark} {_VARIANTS[number % len(_VARIANTS)]}",
        "body": (_BODY * 3)[:900],
        "reporter": "someone@example.org",
        "url": f"https://example.org/reports/{number}",
    }
