"""The text format that Prometheus reads; pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from triage.metrics.families import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_NAMES = 200
"""So many values of a family's first label are told apart; the smaller ones go together as `other`."""
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by upper edge, each only of what lies between it and the edge before, and the sum of all values."""

    counts: Mapping[float, int]
    total: float


Value: TypeAlias = float | Histogram
Samples: TypeAlias = Mapping[tuple[str, ...], Value]
"""Values by the values of the family's labels."""


def text(found: Mapping[Family, Samples]) -> bytes:
    """All families that have samples, in the given order."""
    lines = (line for family, samples in found.items() if samples for line in _family(family, samples))
    return ("\n".join(lines) + "\n").encode()


def bounded(samples: Mapping[tuple[str, ...], float], most: int = MOST_NAMES) -> dict[tuple[str, ...], float]:
    """The samples with at most so many values of the first label; what is left out is added up as `other`."""
    sizes: dict[str, float] = {}
    for labels, value in samples.items():
        sizes[labels[0]] = sizes.get(labels[0], 0.0) + value
    kept = set(sorted(sizes, key=lambda name: (-sizes[name], name))[:most])
    told: dict[tuple[str, ...], float] = {}
    for labels, value in samples.items():
        name = (labels[0] if labels[0] in kept else OTHER, *labels[1:])
        told[name] = told.get(name, 0.0) + value
    return told


def _family(family: Family, samples: Samples) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}"
    yield f"# TYPE {family.name} {family.type}"
    for labels, value in sorted(samples.items(), key=lambda sample: sample[0]):
        pairs = list(zip(family.labels, labels, strict=True))
        if isinstance(value, Histogram):
            yield from _histogram(family.name, pairs, value)
        else:
            yield f"{family.name}{_labels(pairs)} {number(value)}"


def _histogram(name: str, pairs: Sequence[tuple[str, str]], value: Histogram) -> Iterator[str]:
    passed = 0
    for edge, count in sorted(value.counts.items()):
        passed += count
        yield f"{name}_bucket{_labels([*pairs, ('le', number(edge))])} {passed}"
    yield f"{name}_sum{_labels(pairs)} {number(value.total)}"
    yield f"{name}_count{_labels(pairs)} {passed}"


def number(value: float) -> str:
    """As Prometheus writes it: whole numbers without a point, infinity as +Inf."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _labels(pairs: Sequence[tuple[str, str]]) -> str:
    told = ",".join(f'{name}="{_quoted(value)}"' for name, value in pairs)
    return f"{{{told}}}" if told else ""


def _quoted(value: str) -> str:
    return _escaped(value).replace('"', '\\"')


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")
