"""Two plots in one PNG: how often opinions of some confidence are right, and accuracy against coverage.

Drawn with Pillow, which has a font of its own and is a tenth of what a plotting library would bring.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from triage.decide.learned.report import Case, Evaluation, curve
from triage.errors import InvalidSetting

SIZE, MARGIN, FONT = 560, 70, 15
"""Pixels: of one plot, around its area, and of letters."""
FINER = 2
"""Drawn larger and then reduced, which smooths the lines."""
FEWEST_SHOWN = 10
"""Opinions that a share must be of to be shown: fewer jump between 0 and 1."""
HALF = 0.5
BLACK, GREY, LIGHT, BLUE, RED = "#222222", "#777777", "#dddddd", "#1f5fa8", "#b3361d"

Point = tuple[float, float]


def save(evaluation: Evaluation, cases: Sequence[Case], path: Path, title: str) -> None:
    """Draw both plots into a PNG file; raises `InvalidSetting` when it cannot be written."""
    whole = Image.new("RGB", (2 * SIZE, SIZE), "white")
    for place, plot in enumerate((_calibration(evaluation), _coverage(evaluation, cases, title))):
        whole.paste(plot.resize((SIZE, SIZE), Image.Resampling.LANCZOS), (place * SIZE, 0))
    try:
        whole.save(path, "PNG")
    except OSError as error:
        raise InvalidSetting(f"{path}: cannot be written: {error.strerror or error}") from None


def _calibration(evaluation: Evaluation) -> Image.Image:
    area = _Area.new("Calibration", "confidence", "share that was right")
    area.line([(0, 0), (1, 1)], GREY)
    most = max((one.cases for one in evaluation.bins), default=1)
    for one in evaluation.bins:
        area.dot((one.confidence, one.right), 4 + 10 * (one.cases / most) ** 0.5, BLUE)
        area.text((one.confidence, one.right), f"{one.cases}", BLACK, (0, -20))
    area.text((0.98, 0.1), f"ECE {evaluation.ece:.3f} · Brier {evaluation.brier:.3f}", BLACK, anchor="rm")
    area.text((0.98, 0.05), "numbers: opinions", GREY, anchor="rm")
    return area.image


def _coverage(evaluation: Evaluation, cases: Sequence[Case], title: str) -> Image.Image:
    area = _Area.new(f"Accuracy against coverage, {title}", "share of reports decided", "accuracy of those")
    area.line([(0, evaluation.target), (1, evaluation.target)], GREY)
    area.text((1, evaluation.target), f"target {evaluation.target:g}", GREY, (0, -12), "rm")
    area.line(curve(cases)[FEWEST_SHOWN - 1 :], BLUE)
    if evaluation.coverage is not None and evaluation.accuracy_at_target is not None:
        at = (evaluation.coverage, evaluation.accuracy_at_target)
        area.dot(at, 6, RED)
        shift, anchor = ((-12, 16), "rm") if at[0] > HALF else ((12, -14), "lm")
        area.text(at, f"{at[0]:.0%} decided, {at[1]:.1%} right", RED, shift, anchor)
    return area.image


@dataclass(frozen=True)
class _Area:
    """A square from 0 to 1 in both directions."""

    image: Image.Image
    pen: ImageDraw.ImageDraw

    @classmethod
    def new(cls, title: str, across: str, up: str) -> "_Area":
        image = Image.new("RGB", (SIZE * FINER, SIZE * FINER), "white")
        area = cls(image, ImageDraw.Draw(image))
        for tenth in range(0, 11, 2):
            share = tenth / 10
            area.line([(share, 0), (share, 1)], LIGHT)
            area.line([(0, share), (1, share)], LIGHT)
            area.text((share, 0), f"{share:g}", BLACK, (0, 14))
            area.text((0, share), f"{share:g}", BLACK, (-18, 0))
        area.line([(0, 1), (0, 0), (1, 0)], BLACK)
        area.text((0.5, 1), title, BLACK, (0, -50))
        area.text((0.5, 0), across, BLACK, (0, 40))
        area.text((0, 1), up, BLACK, (-40, -28), "lm")
        return area

    def line(self, points: Iterable[Point], colour: str) -> None:
        """Through all points."""
        self.pen.line([self._at(point) for point in points], colour, width=2 * FINER)

    def dot(self, point: Point, radius: float, colour: str) -> None:
        """`radius` is in pixels."""
        self.pen.circle(self._at(point), radius * FINER, fill=colour)

    def text(self, point: Point, words: str, colour: str, shift: Point = (0, 0), anchor: str = "mm") -> None:
        """`shift` is in pixels, down and to the right; `anchor` is Pillow's."""
        across, down = self._at(point)
        place = (across + shift[0] * FINER, down + shift[1] * FINER)
        self.pen.text(place, words, colour, ImageFont.load_default(FONT * FINER), anchor=anchor)

    def _at(self, point: Point) -> Point:
        side = SIZE - 2 * MARGIN
        return (MARGIN + point[0] * side) * FINER, (MARGIN + (1 - point[1]) * side) * FINER
