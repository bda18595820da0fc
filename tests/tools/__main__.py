"""`python -m tests.tools`: every adapter plays every case; a table, and build/tools.json."""

import argparse
import json
import logging
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from tests.tools.cases import CASES, play
from tests.tools.scene import NotPossible, Subject
from tests.tools.subjects import adapters, discover

AT_ONCE = 4
"""Systems played with at a time; most cases wait."""
MARKS = {"passed": "✓", "failed": "✗", "not possible": "–"}


@dataclass
class Row:
    """What one adapter did: `cases` says passed, failed or not possible, with why, and `seconds` how long it took."""

    against: str = "could not be started"
    cases: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def play(self, subject: Subject, name: str) -> None:
        """Play a case and write down how it ended."""
        try:
            play(subject, name)
        except NotPossible as reason:
            self.cases[name] = f"not possible: {reason}"
        except Exception as error:  # noqa: BLE001 - whatever breaks is a failed case, and the others go on
            self.cases[name] = f"failed: {type(error).__name__}: {' '.join(str(error).split())}"[:600]
            self.traces[name] = traceback.format_exc()
        else:
            self.cases[name] = "passed"


def played(made: type[Subject], names: list[str]) -> Row:
    """Start a system, play the cases, stop it."""
    row, began = Row(), time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder, made(Path(folder)) as subject:
            row.against = subject.against
            for name in names:
                row.play(subject, name)
    except pytest.skip.Exception as reason:
        row.cases["start"] = f"not possible: {reason}"
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - a system that does not start is a failure of all its cases
        row.cases.setdefault("start", f"failed: {type(error).__name__}: {error}")
        row.traces["start"] = traceback.format_exc()
    row.seconds = time.monotonic() - began
    return row


def forgotten(chosen: dict[str, type[Subject]]) -> set[str]:
    """Adapters that nobody plays."""
    return adapters() - {made.kind for made in chosen.values()}


def slow_first(chosen: dict[str, type[Subject]]) -> list[tuple[str, type[Subject]]]:
    """Real servers take longest."""
    return sorted(chosen.items(), key=lambda each: not each[1].against.startswith("real"))


def verdict(result: str) -> str:
    """Passed, failed or not possible, without the reason."""
    return result.partition(":")[0]


def summary(rows: dict[str, Row]) -> dict[str, Any]:
    """All of it as JSON."""
    counts = Counter(verdict(result) for row in rows.values() for result in row.cases.values())
    adapters = {
        name: {"against": row.against, "seconds": round(row.seconds, 1), "cases": row.cases}
        for name, row in rows.items()
    }
    return {
        "adapters": adapters,
        "passed": counts["passed"],
        "failed": counts["failed"],
        "not_possible": counts["not possible"],
    }


def show(rows: dict[str, Row], console: Console) -> None:
    """The table, then what failed and what is not possible."""
    table = Table("case", *(str(number) for number in range(1, len(rows) + 1)), box=None, padding=(0, 1))
    names = list(dict.fromkeys(name for row in rows.values() for name in row.cases))
    for name in names:
        table.add_row(name, *(MARKS.get(verdict(row.cases.get(name, "")), " ") for row in rows.values()))
    console.print(table)
    for number, (name, row) in enumerate(rows.items(), 1):
        results = Counter(map(verdict, row.cases.values()))
        told = ", ".join(f"{results[word]} {word}" for word in MARKS if results[word])
        console.print(f"{number:3} {name}: against {row.against}; {told}; {row.seconds:.0f} s", highlight=False)
    for word in ("not possible", "failed"):
        for name, row in rows.items():
            for result, cases in by_result(row, word).items():
                told = f"{MARKS[word]} {name}: {', '.join(cases)}: {result.partition(': ')[2]}"
                console.print(told, highlight=False, markup=False, soft_wrap=True)


def by_result(row: Row, word: str) -> dict[str, list[str]]:
    """The cases that ended in this way, by their results."""
    found: dict[str, list[str]] = {}
    for title, result in row.cases.items():
        if verdict(result) == word:
            found.setdefault(result, []).append(title)
    return found


def main() -> int:
    """Play, show, write; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools", description=__doc__)
    parser.add_argument("--only", action="append", metavar="KIND", help="an adapter; may be repeated")
    parser.add_argument("--case", action="append", metavar="NAME", help="a case; may be repeated")
    parser.add_argument("--json", type=Path, default=Path("build/tools.json"), metavar="PATH")
    parser.add_argument("--traces", action="store_true", help="print where cases failed")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)  # servers of the tests warn of themselves
    chosen = {
        name: made for name, made in discover().items() if not options.only or name.partition(" ")[0] in options.only
    }
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = {name: pool.submit(played, made, options.case or list(CASES)) for name, made in slow_first(chosen)}
        rows = {name: waiting[name].result() for name in chosen}
    if not options.only:
        rows |= {kind: Row(cases={"start": "failed: it has no subject"}) for kind in sorted(forgotten(chosen))}
    show(rows, Console(width=max(100, 24 + 4 * len(rows))))
    if options.traces:
        print(*(trace for row in rows.values() for trace in row.traces.values()), sep="\n")
    told = summary(rows)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    print(f"{told['passed']} passed, {told['failed']} failed, {told['not_possible']} not possible; see {options.json}")
    return 1 if told["failed"] or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
