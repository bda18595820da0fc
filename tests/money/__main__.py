"""`python -m tests.money`: see `--help`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from tests.money import campaign, report


def main() -> int:
    """Play, judge, print the table, write the JSON; 0 only if no budget was passed and nothing was paid twice."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    folder = Path(tempfile.mkdtemp(prefix="triage-money-"))
    campaign.say(f"{options.runs} runs with seed {options.seed}; logs are in {folder}")
    result = campaign.run(options.runs, options.seed, options.every, folder)
    print(report.table(result))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=1) + "\n")
    if result["violations"]:
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.money", description="Ask for money while workers die.")
    add = parser.add_argument
    add("--runs", type=int, default=2_000, help="reports that only a model can decide")
    add("--seed", type=int, default=1, help="which behaviours of the model, and which workers are killed")
    add("--every", type=float, default=2.0, help="seconds from one kill to the next, on average")
    add("--json", type=Path, default=Path("build/money.json"), help="where the figures are written")
    return parser.parse_args()


def _end(*_: object) -> NoReturn:
    """Leave through all `finally` blocks, so that no process stays."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
