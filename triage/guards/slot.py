"""When a review can be: the start of an event that names none."""

from datetime import datetime, timedelta

from triage.guards.policy import Events

NOTICE = timedelta(hours=1)
"""How long before it starts people must be able to see it."""
_HOUR = timedelta(hours=1)
_LONGEST_LOOK = 24 * 14


def next_slot(policy: Events, now: datetime, length: timedelta) -> datetime:
    """The next full hour from which `length` fits into the working hours; the next one of all if none does."""
    first = (now.astimezone(policy.time_zone) + NOTICE + _HOUR).replace(minute=0, second=0, microsecond=0)
    hours = (first + _HOUR * number for number in range(_LONGEST_LOOK))
    return next((start for start in hours if _fits(policy, start, length)), first)


def _fits(policy: Events, start: datetime, length: timedelta) -> bool:
    since_midnight = timedelta(hours=start.hour, minutes=start.minute)
    within = policy.working_hours.start <= since_midnight and since_midnight + length <= policy.working_hours.end
    return within and start.weekday() in policy.weekdays
