"""`python -m tests.bench.pages`: how fast the console's pages answer over HTTP, with a million runs in the database.

With `--database-url` of a database that is filled already (`python -m tests.bench.million --keep` prints one) it takes
half a minute; else it fills one first.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.bench import million, servers
from tests.support.console import Visitor, serving

ROUNDS = 7
OVERVIEW, SEARCH, METRICS = 300.0, 500.0, 50.0
"""The most that a page, a search and a scrape may take (ms)."""
PAGES = (
    *((f"Overview, {name}", f"/overview?range={name}", OVERVIEW) for name in ("1h", "6h", "24h", "7d", "30d")),
    ("Runs", "/runs", OVERVIEW),
    ("Runs, held", "/runs?status=held", OVERVIEW),
    ("Runs, dead", "/runs?status=dead", OVERVIEW),
    ("Runs, far back", "/runs?before={far}", OVERVIEW),
    ("A run", "/runs/{run}", OVERVIEW),
    ("Needs a person", "/person", OVERVIEW),
    ("search: common words", "/runs?q=export+crashes", SEARCH),
    ("search: one title", "/runs?q={title}", SEARCH),
    ("search: no such word", "/runs?q=zzyzx", SEARCH),
    ("search: source id", "/runs?source_id=500000", SEARCH),
    ("search: kind, severity", "/runs?kind=crash&severity=critical", SEARCH),
    ("search: cost above", "/runs?cost=0.001", SEARCH),
    ("Tools", "/tools", OVERVIEW),
    ("Deciding, 24 h", "/deciding?range=24h", OVERVIEW),
    ("Deciding, 30 d", "/deciding?range=30d", None),
    ("Audit", "/audit", OVERVIEW),
    ("At a time, 5 min", "/at?at={at}&for=5m", OVERVIEW),
    ("/metrics", "/metrics", METRICS),
)


def measured(database_url: str, broker_url: str) -> Iterator[tuple[str, float, float, float | None]]:
    """Each page: the median and the slowest of some times (ms) after a first one, and what it may take."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, "HOME": folder}
        settings = {f"TRIAGE_{name}": text for name, text in given.items()}
        with serving(Path(folder), settings) as console:
            visitor = console.visitor()
            values = _values(visitor)
            for name, path, most in PAGES:
                times = sorted(_ms(visitor, path.format(**values)) for _ in range(ROUNDS + 1))[:-1]
                yield name, statistics.median(times), times[-1], most


def _values(visitor: Visitor) -> dict[str, str]:
    """A run, a title, and a place far back in the list, out of what is there."""
    found = visitor.get("/runs").text
    run, title = found.partition('class="what"><a href="/runs/')[2].partition("</a>")[0].split('">', 1)
    at = time.time() - 20 * 86_400
    far = f"{int(at * 1_000_000)}_{run}"
    return {
        "run": run,
        "title": quote(title),
        "far": far,
        "at": quote(time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))),
    }


def _ms(visitor: Visitor, path: str) -> float:
    began = time.perf_counter()
    answer = visitor.get(path)
    took = (time.perf_counter() - began) * 1000
    assert answer.status == 200, (path, answer.status, answer.text[:300])
    return took


def main() -> None:
    """Measure and print; the exit code says whether anything took too long."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument("--database-url", help="of a filled database; none: fill one")
    parser.add_argument("--broker-url", default="redis://127.0.0.1:1/0", help="for /metrics; none: it is away")
    parser.add_argument("--runs", type=int, default=1_000_000, help="how many to fill in")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    if options.database_url:
        sys.exit(_told(measured(options.database_url, options.broker_url), as_json=options.json))
    with tempfile.TemporaryDirectory(prefix="triage-pages-", ignore_cleanup_errors=True) as folder:
        sys.exit(_filled(Path(folder), options))


def _filled(folder: Path, options: argparse.Namespace) -> int:
    with servers.running(folder / "home") as private, private.place() as place:
        million.fill(place.database_url, options.runs, min(million.UNFINISHED, options.runs))
        return _told(measured(place.database_url, place.broker_url), as_json=options.json)


def _told(figures: Iterator[tuple[str, float, float, float | None]], *, as_json: bool) -> int:
    rows = list(figures)
    if as_json:
        print(json.dumps([dict(zip(("page", "median", "slowest", "most"), row, strict=True)) for row in rows]))
    else:
        print(f"{'page':<26}{'median':>9}{'slowest':>9}{'at most':>9}  (ms)")
        for name, median, slowest, most in rows:
            slow = "  TOO SLOW" if most and median > most else ""
            print(f"{name:<26}{median:>9.1f}{slowest:>9.1f}{most or '–':>9}{slow}")
    return int(any(most and median > most for _, median, _, most in rows))


if __name__ == "__main__":
    main()
