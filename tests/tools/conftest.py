"""An adapter and its system, for the tests that play cases."""

from collections.abc import Iterator

import pytest

from tests.tools.scene import Subject
from tests.tools.subjects import discover


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """The subject of that name, started once for all cases."""
    with discover()[request.param](tmp_path_factory.mktemp("subject")) as running:
        yield running
