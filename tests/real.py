"""File a CSV of real reports twice and count what came of it: `python -m tests.real FILE`.

The columns are those of the public bug data sets: Summary, Issue id, Description. Servers and two workers are started
for it, in a folder of their own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MAPPING = ["--map", "title=Summary", "--map", "source_id=Issue id", "--map", "body=Description", "--set", "source=real"]
WORKERS = 2


def triage(*words: str) -> dict[str, Any]:
    """What a command answers as JSON."""
    done = subprocess.run([sys.executable, "-m", "triage.cli", *words, "--json"], stdout=subprocess.PIPE, check=False)
    return dict(json.loads(done.stdout))


@contextmanager
def workers(log: str) -> Iterator[None]:
    """Run worker processes for as long as the block lasts."""
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--pool", "threads", "--loglevel", "INFO"]
    with open(log, "wb") as file:  # noqa: PTH123 - a file object for Popen
        running = [
            subprocess.Popen([*command, "--without-mingle", "--without-gossip", "-n", f"w{n}@%h"], stderr=file)
            for n in range(WORKERS)
        ]
        try:
            yield
        finally:
            for worker in running:
                worker.terminate()
            for worker in running:
                worker.wait(timeout=30)


def file_all(path: str, title: str) -> dict[str, Any]:
    """Submit the file, wait for its runs, and print how long it took."""
    began = time.monotonic()
    answer = triage("submit", "--file", path, *MAPPING, "--wait")
    seconds = time.monotonic() - began
    print(f"{title}: {json.dumps({k: v for k, v in answer.items() if isinstance(v, int | str)})} in {seconds:.1f} s")
    return answer


def objects() -> dict[str, int]:
    """What really stands in the tables of the local tracker and inbox, and the runs by status."""
    from triage.bootstrap import services  # noqa: PLC0415 - after TRIAGE_HOME is set

    with services().database.engine.connect() as connection:
        row = connection.exec_driver_sql(
            "select (select count(*) from run) as runs, (select count(*) from run where status = 'done') as done, "
            "(select count(*) from local_ticket) as tickets, (select count(distinct key) from local_ticket) as keys, "
            "(select count(*) from local_notice) as notices"
        ).one()
    return dict(row._mapping)


def main(path: str) -> int:
    """Exit 0 if every report ended done with one ticket and one notice, and the second time changed nothing."""
    with tempfile.TemporaryDirectory(prefix="triage-real-") as home:
        os.environ["TRIAGE_HOME"] = home
        with workers(f"{home}.log"):
            first_answer, first = file_all(path, "first time"), objects()
            _, second = file_all(path, "second time"), objects()
    print(f"after the first:  {first}\nafter the second: {second}")
    runs = first["runs"]
    whole = runs > 0 and set(first.values()) == {runs} and not first_answer.get("bad_rows")
    return 0 if whole and first == second else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
