"""What others can be told of a run's life."""

from enum import StrEnum


class Lifecycle(StrEnum):
    """It is done; a person is waited for; it was given up; a model was not asked because a budget had no room."""

    DONE = "done"
    HELD = "held"
    DEAD = "dead"
    OVER_BUDGET = "over_budget"
