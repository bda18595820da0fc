"""The cases themselves: each of them fails for an adapter that does what it forbids."""

from collections.abc import Iterator
from itertools import chain

import pytest

from tests.tools.cases import CASES, play
from tests.tools.subjects.github import Subject
from tests.tools.wrong import WRONG, Wrong
from triage.ports import Tool


class Staged(Subject):
    """GitHub's twin; the adapter under test also stands in for the one with wrong credentials."""

    def imposter(self) -> Tool:
        """See `Traits`."""
        return self.tool


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """GitHub's twin, with the adapter that is right."""
    with Staged(tmp_path_factory.mktemp("github")) as subject:
        yield subject


@pytest.fixture
def subject(running: Subject) -> Iterator[Subject]:
    """The same; whatever a test makes of its adapter is undone."""
    right = running.tool
    yield running
    running.tool = right


PAIRS = [pytest.param(wrong, case, id=f"{wrong.__name__}-{case}") for wrong in WRONG for case in wrong.caught]


@pytest.mark.parametrize(("wrong", "case"), PAIRS)
def test_a_wrong_adapter_is_caught(subject: Subject, wrong: type[Wrong], case: str) -> None:
    """The case fails for an adapter that is wrong in this way, though it passes for the right one (see the matrix)."""
    subject.tool = wrong(subject.tool)
    with pytest.raises((AssertionError, KeyError)):
        play(subject, case)


def test_every_case_can_fail() -> None:
    """There is a wrong adapter for each case."""
    assert set(chain.from_iterable(wrong.caught for wrong in WRONG)) == set(CASES)
