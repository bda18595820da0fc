"""What each adapter is tested against: a module for each, with one or more classes whose names end in `Subject`.

What such a class offers is in `tests.tools.scene`: `Subject` is what it must have, `Traits` what it may say of itself.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from tests.tools.scene import Subject
from triage.tools import calendars, notifiers, trackers


def discover() -> dict[str, type[Subject]]:
    """Every subject, by a name made of its kind; a second one of a kind has its class's name added."""
    subjects: dict[str, type[Subject]] = {}
    for found in _classes():
        kind = str(getattr(found, "kind", found.__module__.rpartition(".")[2].replace("_", "-")))
        special = found.__name__.removesuffix("Subject").lower()
        subjects[f"{kind} ({special})" if special else kind] = found
    return dict(sorted(subjects.items()))


def real() -> set[str]:
    """The names of those that play against a real server."""
    return {name for name, made in discover().items() if made.against.startswith("real")}


def notifiers_twins() -> set[str]:
    """The names of the notifiers, and of the webhooks, that play against a twin."""
    kinds = {each.model_fields["kind"].default for each in settings_of_all() if notifiers.__name__ in each.__module__}
    return {name for name, made in discover().items() if made.kind in {*kinds, "webhook"}} - real()


def adapters() -> set[str]:
    """The kinds of all adapters that there are."""
    return {str(each.model_fields["kind"].default) for each in settings_of_all()}


def settings_of_all() -> list[type[BaseModel]]:
    """The settings of all adapters that there are."""
    packages = (trackers, notifiers, calendars)
    names = [f"{each.__name__}.{found.name}" for each in packages for found in pkgutil.iter_modules(each.__path__)]
    settings = (getattr(importlib.import_module(name), "Settings", None) for name in names)
    return [each for each in settings if each is not None]


def _classes() -> Iterator[type[Subject]]:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        own = (value for value in vars(loaded).values() if isinstance(value, type))
        yield from (value for value in own if value.__module__ == loaded.__name__ and _is_subject(value))


def _is_subject(value: type) -> bool:
    return value.__name__.endswith("Subject") and hasattr(value, "__enter__")
