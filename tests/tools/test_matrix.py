"""Every adapter plays every case against its twin: one write for each call, and what really exists there after it.

The notifiers and the real servers have files of their own, so that they can be run at the same time.
"""

import pytest

from tests.tools.cases import CASES, play
from tests.tools.scene import NotPossible, Subject
from tests.tools.subjects import adapters, discover, notifiers_twins, real


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("subject", sorted(set(discover()) - real() - notifiers_twins()), indirect=True, scope="module")
def test_case(subject: Subject, case: str) -> None:
    """The adapter keeps what the case of that name says."""
    try:
        play(subject, case)
    except NotPossible as reason:
        pytest.skip(f"not possible: {reason}")


def test_every_adapter_plays() -> None:
    """No adapter is forgotten."""
    assert adapters() <= {made.kind for made in discover().values()}
