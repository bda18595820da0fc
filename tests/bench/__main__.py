"""`python -m tests.bench`: see `--help`."""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from tests.bench import outcome, profile, servers, systems
from tests.bench.rounds import Bench, Sizes, tell


def main() -> None:
    """Measure, print the table, write the JSON."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="triage-bench-", ignore_cleanup_errors=True) as folder:
        _in(Path(folder), options)


def _in(folder: Path, options: argparse.Namespace) -> None:
    sizes = Sizes(options.runs, options.samples, options.seconds_wait_runs, options.slots)
    with servers.running(folder / "home") as private, systems.stub(folder) as stub:
        bench = Bench(private, stub, folder, sizes)
        if options.profile:
            print(profile.record(bench, options.profile))
            return
        result = outcome.summary(_rounds(bench, options.systems, options.rounds))
    print(outcome.table(result))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result | {"options": _shown(options)}, indent=1) + "\n")


def _rounds(bench: Bench, names: list[str], rounds: int) -> outcome.Rounds:
    """In turns, and every other round in the opposite order, so that a busy minute hits all alike."""
    taken: outcome.Rounds = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            tell(f"round {number + 1} of {rounds}: {name}")
            taken[name].append(bench.round(systems.SYSTEMS[name]))
    return taken


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="The product beside a bare Celery chain."
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="how often each system is measured; medians are shown")
    add("--runs", type=int, default=3000, help="runs of one drain")
    add("--samples", type=int, default=100, help="runs measured for latency, one at a time; 0: none")
    add("--seconds-wait-runs", type=int, default=2400, help="runs with a wait of 1 s in the first stage; 0: none")
    add("--slots", type=int, default=32, help="threads of each of the two worker processes, but for the wait (200)")
    add("--systems", nargs="+", choices=systems.SYSTEMS, default=["bare", "triage"])
    add("--json", type=Path, default=Path("build/bench.json"), help="where the figures are written")
    add("--profile", type=Path, help="instead, profile one worker of the product during a drain; raw stacks go here")
    return parser.parse_args()


def _shown(options: argparse.Namespace) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}


def _end(*_: object) -> NoReturn:
    """Leave through all `finally` blocks, so that no process stays."""
    sys.exit(143)


if __name__ == "__main__":
    main()
