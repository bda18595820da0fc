"""The same cases for the notifiers, against their twins."""

import pytest

from tests.tools.cases import CASES, play
from tests.tools.scene import NotPossible, Subject
from tests.tools.subjects import notifiers_twins


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("subject", sorted(notifiers_twins()), indirect=True, scope="module")
def test_case(subject: Subject, case: str) -> None:
    """The adapter keeps what the case of that name says."""
    try:
        play(subject, case)
    except NotPossible as reason:
        pytest.skip(f"not possible: {reason}")
