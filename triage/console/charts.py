"""Charts as SVG paths, drawn on the server: what they show can be tested as numbers, and they need no JavaScript.

All of a chart is in units of its view box, `WIDTH` by `HEIGHT`. Styles are classes of `console.css`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil, floor, log10

WIDTH, HEIGHT = 340.0, 124.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 6.0, 8.0, 18.0
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
BASE = HEIGHT - BOTTOM
GAP = 0.16
"""The share of an interval that stays free between two bars."""

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis, at `at` along it."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of thing in a chart: its name in the legend, its style, and its path."""

    name: str
    style: str
    path: str


@dataclass(frozen=True, slots=True)
class Spot:
    """An interval, wherever the pointer is above it, and what it says."""

    x: float
    width: float
    told: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`told` is the chart in a sentence, for those who do not see it."""

    id: str
    title: str
    told: str
    bars: tuple[Shape, ...] = ()
    lines: tuple[Shape, ...] = ()
    spots: tuple[Spot, ...] = ()
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()

    @property
    def legend(self) -> tuple[Shape, ...]:
        """What is in it."""
        return (*self.bars, *self.lines)


@dataclass(frozen=True)
class Times:
    """The intervals that all charts of a page have in common: each is `step` long, the first begins at `since`.

    There is a label each `every`, counted from midnight, as `form` (strftime) says.
    """

    since: datetime
    step: timedelta
    count: int
    every: timedelta
    form: str = "%H:%M"

    @property
    def until(self) -> datetime:
        """The end of the last interval."""
        return self.since + self.step * self.count

    @property
    def width(self) -> float:
        """Of one interval."""
        return PLOT_WIDTH / self.count

    def x(self, number: int) -> float:
        """Where an interval begins."""
        return LEFT + self.width * number

    def ticks(self) -> Iterator[Tick]:
        """In the server's time zone."""
        local = self.since.astimezone()
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        at = midnight + self.every * ceil((local - midnight) / self.every)
        while at < self.until:
            yield Tick(LEFT + PLOT_WIDTH * ((at - self.since) / (self.step * self.count)), at.strftime(self.form))
            at += self.every

    def named(self, number: int) -> str:
        """When an interval began."""
        return (self.since + self.step * number).astimezone().strftime("%a %d %b, %H:%M")


@dataclass(frozen=True)
class Kind:
    """What is drawn: a title, series by name with their styles, how values read, and the least that the scale shows."""

    id: str
    title: str
    series: Mapping[str, tuple[str, Values]]
    text: Callable[[float], str]
    least: float = 2.0
    most: float | None = None
    told: str = field(default="")


def stacked(times: Times, kind: Kind) -> Chart:
    """A bar for each interval; the series stand on one another, the first one at the bottom."""
    columns = [[value or 0.0 for value in values] for _, values in kind.series.values()]
    sums = [sum(column) for column in zip(*columns, strict=True)]
    top = nice(max([kind.least, kind.most or 0, *sums]))
    floors = [0.0] * times.count
    shapes = []
    for (name, (style, _)), column in zip(kind.series.items(), columns, strict=True):
        shapes.append(Shape(name, style, _bars(times, floors, column, top)))
        floors = [low + value for low, value in zip(floors, column, strict=True)]
    return _chart(times, kind, top, bars=tuple(shapes))


def lines(times: Times, kind: Kind) -> Chart:
    """A line for each series, with gaps where there is no value."""
    known = [value for _, values in kind.series.values() for value in values if value is not None]
    top = nice(max([kind.least, kind.most or 0, *known]))
    shapes = tuple(Shape(name, style, _line(times, values, top)) for name, (style, values) in kind.series.items())
    return _chart(times, kind, top, lines=shapes)


def nice(value: float) -> float:
    """The least of 1, 2, 4, 6, 8, 10, 20, … (or 0.8, 0.6, …) that is not below the value: its half reads well too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if value <= step * power * (1 + 1e-9))


def _chart(times: Times, kind: Kind, top: float, bars: tuple[Shape, ...] = (), lines: tuple[Shape, ...] = ()) -> Chart:
    ticks = tuple(Tick(_y(share * top, top), kind.text(share * top)) for share in (0, 0.5, 1))
    return Chart(kind.id, kind.title, kind.told, bars, lines, tuple(_spots(times, kind)), tuple(times.ticks()), ticks)


def _y(value: float, top: float) -> float:
    return round(BASE - PLOT_HEIGHT * min(value / top, 1.0), 2)


def _bars(times: Times, floors: Sequence[float], values: Sequence[float], top: float) -> str:
    width = times.width * (1 - GAP)
    parts = []
    for number, (low, value) in enumerate(zip(floors, values, strict=True)):
        if value > 0:
            bottom, upper = _y(low, top), _y(low + value, top)
            x = times.x(number) + times.width * GAP / 2
            parts.append(f"M{x:.1f} {bottom}V{min(upper, bottom - 0.7):.2f}h{width:.2f}V{bottom}z")
    return "".join(parts)


def _line(times: Times, values: Values, top: float) -> str:
    """A value alone between two gaps is a short dash."""
    parts, drawn = [], False
    for number, value in enumerate(values):
        if value is None:
            drawn = False
            continue
        x, y = times.x(number) + times.width / 2, _y(value, top)
        alone = not drawn and (number + 1 == len(values) or values[number + 1] is None)
        parts.append(f"M{x - 1.5:.1f} {y}h3" if alone else f"{'L' if drawn else 'M'}{x:.1f} {y}")
        drawn = True
    return "".join(parts)


def _spots(times: Times, kind: Kind) -> Iterator[Spot]:
    for number in range(times.count):
        said = [(name, values[number]) for name, (_, values) in kind.series.items()]
        texts = [f"{name} {kind.text(value)}" for name, value in said if value]
        if texts:
            yield Spot(times.x(number), times.width, f"{times.named(number)}: {', '.join(texts)}")


@dataclass(frozen=True, slots=True)
class Dot:
    """A group of decisions with about the same confidence, in a square of 100 by 100; `told` has its numbers."""

    x: float
    y: float
    radius: float
    cases: int
    confidence: float
    right: float
    told: str


def dots(groups: Sequence[tuple[float, float, int]]) -> tuple[Dot, ...]:
    """Confidence, share that was right, and number of cases of each group; the area is as the number."""
    most = max((cases for *_, cases in groups), default=0)
    return tuple(
        Dot(
            round(100 * confidence, 1),
            round(100 - 100 * right, 1),
            round(max(4.5 * (cases / most) ** 0.5, 1.2), 2),
            cases,
            confidence,
            right,
            f"{cases} decisions, sure to {confidence:.0%}, were right in {right:.0%}",
        )
        for confidence, right, cases in groups
        if cases
    )
