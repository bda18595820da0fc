"""`python -m tests.chaos`: see `--help`."""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from tests.chaos import campaign, report, schedule
from tests.chaos.campaign import Plan
from tests.chaos.watch import say


def main() -> int:
    """Print the schedule, make it happen, print and write the figures; 0 only if everything is as promised."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    events = schedule.make(options.seed, options.seconds)
    say(f"{len(events)} faults with seed {options.seed} in {options.seconds:g} s:")
    say("\n".join(str(event) for event in events))
    folder = Path(tempfile.mkdtemp(prefix="triage-chaos-"))
    say(f"logs are in {folder}")
    result = campaign.run(Plan(options.seed, options.seconds, options.rate, events), folder)
    return _conclude(result, options.json)


def _conclude(result: dict[str, Any], path: Path) -> int:
    print(report.table(result))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if report.is_good(result) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break everything, and count.")
    add = parser.add_argument
    add("--seconds", type=float, default=300.0, help="for how long things go wrong")
    add("--seed", type=int, default=1, help="which schedule")
    add("--rate", type=float, default=20.0, help="reports submitted a second")
    add("--json", type=Path, default=Path("build/chaos.json"), help="where the figures are written")
    return parser.parse_args()


def _end(*_: object) -> NoReturn:
    """Leave through all `finally` blocks, so that no process stays."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
