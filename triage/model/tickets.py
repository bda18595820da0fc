"""Tickets as a tracker shows them: closed ones to learn from, and our own as people left them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ClosedTicket:
    """A ticket that its team has closed.

    `labels` are what the tracker says that it is: its labels, or the name of its type. `ours` says that it carries our
    marker, or a part of it as copies of our tickets do. `created` is aware, or None where it cannot be read.
    """

    remote_id: str
    title: str
    text: str
    labels: tuple[str, ...]
    created: datetime | None
    ours: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands on a ticket of ours now; `key` is that of the effect which made it.

    `kind` is the name of its type and `severity` what its priority stands for, where the tracker has them: empty where
    they say nothing, as the type that all of our tickets are filed with does.
    """

    key: str
    labels: tuple[str, ...] = ()
    kind: str = ""
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list, and from where it goes on, in the tracker's own words; empty at the end."""

    items: tuple[Item, ...] = ()
    after: str = ""
