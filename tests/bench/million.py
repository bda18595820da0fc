"""`python -m tests.bench.million`: a database with a million runs, and how fast everything that reads it answers.

Private servers, nothing of which is left afterwards. With `--keep` they go on until Ctrl-C; where they are is printed.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import psycopg

from tests.bench import servers
from tests.bench.rounds import tell
from tests.support import databases
from triage import bootstrap, config, metrics
from triage.store.history import History

UNFINISHED = 2_000
DAYS = 30
BATCH = 100_000
ROUNDS = 5
STATEMENTS = Path(__file__).with_name("million.sql")


def fill(database_url: str, runs: int, unfinished: int = UNFINISHED, *, batch: int = BATCH) -> None:
    """Fill a migrated, empty database with so many runs of the last 30 days; the newest are not finished.

    Foreign keys are not checked, which only a superuser may leave out; the rows fit all the same.
    """
    plain = databases.plain(database_url)
    with psycopg.connect(plain, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("set synchronous_commit = off")
        for first in range(1, runs + 1, batch):
            given = {"first": first, "last": min(first + batch - 1, runs), "runs": runs, "unfinished": unfinished}
            for statement in filled_by():
                connection.execute(statement, given)  # type: ignore[call-overload]
            tell(f"{given['last']:,} of {runs:,} runs")
        connection.execute("select setval(pg_get_serial_sequence('event', 'id'), max(id)) from event")
        tell("adding up")
        connection.execute("select tally_roll()")
        connection.execute("vacuum analyze")


def filled_by() -> list[str]:
    """The statements that fill a batch, in their order."""
    return [text.strip() for text in STATEMENTS.read_text().split(";\n") if text.strip()]


def measured(opened: bootstrap.Services) -> Iterator[tuple[str, float]]:
    """Every reader with its median time in ms."""
    now = datetime.now(UTC)
    overview, history, runs = opened.overview, History(opened.database), opened.runs
    last = runs.lines(limit=1)[0]
    readers: dict[str, Callable[[], object]] = {
        "Overview.now": overview.now,
        "Overview.totals": overview.totals,
        "Overview.series 1 h": lambda: overview.series(now - timedelta(hours=1), now),
        "Overview.series 6 h": lambda: overview.series(now - timedelta(hours=6), now),
        "Overview.series 24 h": lambda: overview.series(now - timedelta(days=1), now),
        "Overview.series 7 d": lambda: overview.series(now - timedelta(days=7), now),
        "Overview.series 30 d": lambda: overview.series(now - timedelta(days=30), now),
        "Overview.objectives 30 d": lambda: overview.objectives(now - timedelta(days=30), now, timedelta(minutes=15)),
        "/metrics": lambda: metrics.document(opened),
        "History.at 1 min": lambda: history.during(now - timedelta(days=9), now - timedelta(days=9, minutes=-1)),
        "History.at 1 h": lambda: history.during(now - timedelta(days=9), now - timedelta(days=9, hours=-1)),
        "History.of": lambda: history.of(last.id),
        "Runs.lines, newest 50": runs.lines,
        "Runs.story": lambda: runs.story(last.id),
    }
    for name, read in readers.items():
        yield name, statistics.median(_ms(read) for _ in range(ROUNDS))


def _ms(read: Callable[[], object]) -> float:
    began = time.perf_counter()
    read()
    return (time.perf_counter() - began) * 1_000


@contextmanager
def opened(place: servers.Place) -> Iterator[bootstrap.Services]:
    """The product's services on these servers."""
    found = bootstrap.Services(config.Settings(database_url=place.database_url, broker_url=place.broker_url))
    try:
        yield found
    finally:
        found.close()


def main() -> None:
    """Load, measure, print."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="triage-million-", ignore_cleanup_errors=True) as folder:
        _in(Path(folder), options)


def _in(folder: Path, options: argparse.Namespace) -> None:
    with servers.running(folder / "home") as private, private.place() as place:
        began = time.monotonic()
        fill(place.database_url, options.runs, min(UNFINISHED, options.runs))
        tell(f"loaded in {time.monotonic() - began:.0f} s")
        with opened(place) as services:
            figures = dict(measured(services))
        _print(figures, options)
        _keep(place, options)


def _print(figures: dict[str, float], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps({"runs": options.runs, "ms": figures}))
        return
    for name, ms in figures.items():
        print(f"{name:<28}{ms:>9.1f} ms")


def _keep(place: servers.Place, options: argparse.Namespace) -> None:
    if not options.keep:
        return
    print(f"TRIAGE_DATABASE_URL={place.database_url}\nTRIAGE_BROKER_URL={place.broker_url}", flush=True)
    signal.pause()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.million", description=__doc__)
    add = parser.add_argument
    add("--runs", type=int, default=1_000_000, help="how many; the newest 2,000 are not finished")
    add("--keep", action="store_true", help="leave the servers running until Ctrl-C, and print where they are")
    add("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


def _end(*_: Any) -> NoReturn:
    """Leave through all `finally` blocks, so that no process stays."""
    sys.exit(143)


if __name__ == "__main__":
    main()
