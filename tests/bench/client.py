"""The submitting process: `python -m tests.bench.client SYSTEM` does what the lines on its standard input say.

A line is `first count batch`: submit the reports `first`, `first + 1`, … one by one, or `batch` at a time. It
answers with the monotonic time of the first call and that of the last one's return.
"""

import importlib
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench import reports

THREADS = 4

Submit = Callable[[Sequence[dict[str, Any]]], object]


def _bare() -> Submit:
    bare = importlib.import_module("tests.bench.bare")
    return lambda batch: [bare.submit(fields) for fields in batch]


def _triage() -> Submit:
    store = importlib.import_module("triage.bootstrap").services().store
    parse = importlib.import_module("triage.model").Report.parse
    return lambda batch: store.submit_many([parse(fields) for fields in batch], None)


def _submit_all(submit: Submit, first: int, count: int, batch: int) -> tuple[float, float]:
    """In a few threads, as several callers would: one alone would mostly wait for its own commits."""
    starts = range(first, first + count, batch)
    batches = ([*map(reports.fields, range(start, min(start + batch, first + count)))] for start in starts)
    began = time.monotonic()
    with ThreadPoolExecutor(min(THREADS, len(starts))) as threads:
        deque(threads.map(submit, batches), maxlen=0)  # raises what a call raised
    return began, time.monotonic()


def main() -> None:
    """Serve until standard input ends."""
    submit = _bare() if sys.argv[1].startswith("bare") else _triage()
    print("ready", flush=True)
    for line in sys.stdin:
        began, ended = _submit_all(submit, *map(int, line.split()))
        print(began, ended, flush=True)


if __name__ == "__main__":
    main()
