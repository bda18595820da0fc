"""The model that decides now: found when it is needed, asked about seldom, and swapped while others decide."""

import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.unit import labelled
from triage.decide.learned import current, fileformat
from triage.decide.learned.current import Current
from triage.decide.learned.model import Model
from triage.decide.learned.training import train
from triage.errors import InvalidSetting, NotAllowed, StoreUnavailable

ALWAYS = timedelta()
"""Asks at every decision."""


@dataclass
class Shelf:
    """Models in memory; `away` is how the store fails, `asked` counts the questions about the version in use."""

    version: str | None = None
    contents: dict[str, bytes] = field(default_factory=dict)
    away: bool = False
    asked: int = 0
    read: int = 0

    def in_use(self) -> str | None:
        """The version that is set."""
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        return self.version

    def content(self, version: str) -> bytes:
        """Its file."""
        self.read += 1
        if version not in self.contents:
            raise NotAllowed(f"there is no model {version}")
        return self.contents[version]

    def put(self, model: Model) -> None:
        """Store a model and use it."""
        self.contents[model.version] = fileformat.to_bytes(model)
        self.version = model.version


@pytest.fixture(scope="module")
def learned() -> Model:
    """Train once."""
    return train(labelled.reports(60), 0.9).model


def version(deciding: Current) -> str | None:
    """Of the model that decides."""
    opinion = deciding.opinion("how to crash", "")
    return opinion and opinion.version


def test_without_a_stored_model_nobody_has_an_opinion() -> None:
    """Nothing in use is no error, and is asked again later."""
    shelf = Shelf()
    deciding = Current(shelf, ALWAYS)
    assert [version(deciding), version(deciding)] == [None, None]
    assert (shelf.asked, shelf.read) == (2, 0)


def test_a_new_version_and_the_old_one_again_are_taken_up(learned: Model) -> None:
    """Whatever is in use decides, one read for each change, and none at all once nothing is."""
    shelf, other = Shelf(), replace(learned, target=0.5)
    deciding = Current(shelf, ALWAYS)
    seen = []
    for model in (learned, learned, other, learned):
        shelf.put(model)
        seen.append(version(deciding))
    assert seen == [learned.version, learned.version, other.version, learned.version]
    assert shelf.read == 3
    shelf.version = None
    assert version(deciding) is None


def test_in_between_nothing_is_asked(learned: Model) -> None:
    """A thousand decisions in a moment ask for the version in use once."""
    shelf = Shelf()
    shelf.put(learned)
    deciding = Current(shelf)
    assert {version(deciding) for _ in range(1_000)} == {learned.version}
    assert (shelf.asked, shelf.read) == (1, 1)


def test_an_opinion_is_judged_by_the_model_that_had_it(learned: Model) -> None:
    """When the model changes between opinion and judgement, the threshold is still its own."""
    shelf = Shelf()
    never = replace(learned, threshold=None)
    shelf.put(replace(learned, threshold=0.0))
    deciding = Current(shelf, ALWAYS)
    opinion = deciding.opinion("crash", "")
    shelf.put(never)
    later = deciding.opinion("crash", "")
    assert opinion is not None and later is not None
    assert (deciding.sure(opinion), deciding.sure(later)) == (True, False)


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "strange"])
def test_a_model_that_cannot_be_read_changes_nothing(learned: Model, damage: str) -> None:
    """The old one goes on deciding, the log says why once, and the next good one is taken."""
    shelf = Shelf()
    shelf.put(learned)
    deciding = Current(shelf, ALWAYS)
    assert version(deciding) == learned.version
    bad = replace(learned, classes=("bug", "feature", "wish"))
    shelf.put(bad)
    good = shelf.contents.pop(bad.version)
    broken = {"cut": good[:-9], "changed": good[:-1] + b"\x7f", "strange": good}
    shelf.contents |= {bad.version: broken[damage]} if damage in broken else {}
    with capture_logs() as logs:
        assert [version(deciding), version(deciding)] == [learned.version] * 2
    assert [line["event"] for line in logs] == ["learned_model_unreadable"]
    assert logs[0]["version"] == bad.version and logs[0]["still"] == learned.version
    shelf.put(replace(learned, target=0.6))
    assert version(deciding) == shelf.version


def test_when_the_store_goes_away_the_model_stays(learned: Model) -> None:
    """But nobody decides without it only because it could not be read yet."""
    shelf = Shelf(away=True)
    shelf.put(learned)
    deciding = Current(shelf, ALWAYS)
    with pytest.raises(StoreUnavailable):
        version(deciding)
    shelf.away = False
    assert version(deciding) == learned.version
    shelf.away = True
    with capture_logs() as logs:
        assert version(deciding) == learned.version
    assert [line["event"] for line in logs] == ["learned_model_unreadable"]


def test_the_first_decisions_wait_and_later_ones_do_not(learned: Model) -> None:
    """While the first model is read all wait for it; while another one is read, others decide with the old one."""
    shelf, other = Slow(), replace(learned, target=0.5)
    shelf.put(learned)
    deciding, seen = Current(shelf, ALWAYS), list[str | None]()
    first = [threading.Thread(target=lambda: seen.append(version(deciding))) for _ in range(8)]
    for thread in first:
        thread.start()
    shelf.go_on.set()
    for thread in first:
        thread.join()
    assert seen == [learned.version] * 8
    shelf.go_on.clear()
    shelf.put(other)
    slow = threading.Thread(target=lambda: seen.append(version(deciding)))
    slow.start()
    assert shelf.began.wait(5)
    assert version(deciding) == learned.version
    shelf.go_on.set()
    slow.join()
    assert seen[-1] == other.version


class Slow(Shelf):
    """Reads a model only once it may go on."""

    def __init__(self) -> None:
        """Stop at the first one."""
        super().__init__()
        self.go_on = threading.Event()
        self.began = threading.Event()

    def content(self, version: str) -> bytes:
        """Its file, when it may go on."""
        self.began.set()
        assert self.go_on.wait(5)
        self.began.clear()
        return super().content(version)


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
from triage.decide.learned.current import stored
from triage.errors import InvalidSetting
import triage.bootstrap
try:
    stored(None, "learned-0")
except InvalidSetting as error:
    print(error)
"""


def test_without_numpy_it_is_said_what_is_missing() -> None:
    """Workers start without the extra, and only a stored model in use makes them name what is not installed."""
    found = subprocess.run([sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "numpy is not installed, which the model learned-0 needs"


def test_a_file_of_other_classes_is_refused(learned: Model, tmp_path: Path) -> None:
    """What workers could not decide for is refused with the way out."""
    fileformat.save(replace(learned, classes=("bug", "feature", "wish")), tmp_path / "a.model")
    with pytest.raises(InvalidSetting, match="wish, which are no kinds of reports"):
        current.from_file(tmp_path / "a.model")
