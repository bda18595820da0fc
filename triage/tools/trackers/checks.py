"""What preflights of trackers share."""

from collections.abc import Callable

from triage.errors import NotSent
from triage.model import Finding


def checked(part: str, mend: str, look: Callable[[], str]) -> Finding:
    """What `look` found, in words; not good, with how to mend it, if it raised `NotSent` or `Amiss`."""
    try:
        return Finding(part, good=True, found=look())
    except (NotSent, Amiss) as problem:
        return Finding(part, good=False, found=str(problem), mend=mend)


class Amiss(Exception):
    """A part of the set-up was looked at and is not as it must be; says what it is."""
