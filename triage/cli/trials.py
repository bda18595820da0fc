"""What `replay` and `eval` share: another way to decide, money for it, and the figures."""

import re
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from triage.cli import frame

if TYPE_CHECKING:
    from triage.bootstrap import Services
    from triage.decide.candidate import Way
    from triage.decide.llm.ask import Asker
    from triage.decide.trial import Trial

MICRO = 1_000_000
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST = timedelta(days=3_650)

With: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="PART=VALUE",
        help="What it decides with instead of what is set: `model=openai:gpt-5-mini`, `prompt=DIR`, `rules=FILE`, "
        "`learned=FILE` or `learned=VERSION`.",
    ),
]
Budget: TypeAlias = Annotated[
    float | None,
    typer.Option(min=0, max=1_000_000, metavar="USD", help="The most that asking a model may cost; needed to ask one."),
]
Since: TypeAlias = Annotated[str, typer.Option(metavar="TIME", help="How far back, such as 90m, 12h, 7d or 4w.")]


@dataclass(frozen=True)
class Stopped:
    """Why not everything was tried: `budget` or `interrupted`."""

    why: str
    told: str

    @property
    def code(self) -> int:
        """For the command that is stopped so."""
        return frame.Code.INTERRUPTED if self.why == "interrupted" else frame.Code.NOT_ALL_WELL


class Course:
    """How a trial goes: `stopped` is set when it ends before its time."""

    stopped: Stopped | None = None

    @contextmanager
    def ending_early(self) -> Iterator[None]:
        """What came until then is kept when the budget is spent or somebody presses Ctrl-C."""
        from triage.decide.trial import Spent  # noqa: PLC0415 - start-up speed

        try:
            yield
        except Spent as error:
            self.stopped = Stopped("budget", str(error))
        except KeyboardInterrupt:
            self.stopped = Stopped("interrupted", "interrupted; what was done until then:")


def lookback(text: str) -> timedelta:
    """A time such as 7d; raises `Misused` for what is none."""
    found = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip())
    if found is None or (span := timedelta(**{UNITS[found[2]]: int(found[1])})) > LONGEST:
        raise frame.Misused(f"--since {text}: must be a number and m, h, d or w, such as 7d, and at most ten years")
    return span


def build(opened: "Services", words: Sequence[str], budget: float | None) -> "Trial":
    """A trial of a way to decide with these parts of its own; raises as `trial`."""
    from triage.decide.variant import Variant  # noqa: PLC0415 - start-up speed

    built = opened.way(Variant.parse(words))
    return trial(built.trying, built.asker, budget)


def trial(way: "Way", asker: "Asker | None", budget: float | None) -> "Trial":
    """A trial with money if a model is asked.

    Raises:
        Misused: it would ask one, and nobody said what that may cost.
        InvalidSetting: the model cannot be asked.
    """
    from triage.decide.trial import AT_ONCE, Allowance, Trial  # noqa: PLC0415 - start-up speed

    if asker is None:
        return Trial(way, Allowance(0))
    if budget is None:
        raise frame.Misused(f"{asker.first} would be asked: say with --budget how many US dollars that may cost")
    asker.check()
    return Trial(way, Allowance(int(Decimal(str(budget)) * MICRO)), AT_ONCE, _end_asks)


def _end_asks() -> None:
    from triage.decide.llm.loop import shared  # noqa: PLC0415 - start-up speed

    shared.stop()


def latency(seconds: Sequence[float]) -> dict[str, float]:
    """Median and ninety-fifth percentile, in milliseconds."""
    return {"latency_p50_ms": _percentile(seconds, 50), "latency_p95_ms": _percentile(seconds, 95)}


def _percentile(seconds: Sequence[float], percent: int) -> float:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [*seconds, 0.0][:1] * 99
    return round(cuts[percent - 1] * 1000, 3)
