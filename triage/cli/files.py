"""Files that commands read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from triage import ingest

STANDARD_INPUT = "-"


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The bytes of a file, or of standard input; raises UnreadableFile."""
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise ingest.UnreadableFile(f"{path}: {error.strerror or error}") from None
    with stream:
        yield stream
