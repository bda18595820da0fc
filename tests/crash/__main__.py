"""`python -m tests.crash`: see `--help`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import NoReturn

from tests.crash import boundaries, campaign, cases, outcome, real_scene, systems
from tests.crash.campaign import Campaign, Task, say
from tests.crash.cases import Case
from tests.crash.trial import Result


def main() -> int:
    """Record, kill, count, print the table, write the JSON; 0 only if everything is as promised."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    wanted = [case for name, case in cases.every().items() if any(fnmatch(name, asked) for asked in options.cases)]
    if not wanted:
        say(f"no such case; there are: {', '.join(cases.every())}")
        return 2
    wanted, real = _possible(wanted)
    if not wanted:
        return 0
    folder = tempfile.mkdtemp(prefix="triage-crash-")
    naive = any(case.is_naive for case in wanted)
    with campaign.servers(Path(folder), options.lanes, naive=naive, real=real) as (running, tools):
        if options.at:
            return _replay(running, Task(wanted[0], tuple(options.at)), folder)
        status = _all(running, tools, wanted, options)
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        say(f"the logs of what failed are in {folder}")
    return status


def _all(running: Campaign, tools: campaign.Tools, wanted: list[Case], options: argparse.Namespace) -> int:
    began = time.monotonic()
    found = running.record(wanted)
    tasks = _tasks(wanted, found, options.every)
    say(f"{len(tasks)} boundaries in {len(wanted)} cases, recorded in {time.monotonic() - began:.0f} s")
    singles = running.trials(tasks, "single crashes")
    seconds = time.monotonic() - began
    say(f"single crashes took {seconds:.0f} s; pairs with seed {options.seed}")
    pairs, vain = running.pairs(options.pairs, options.seed)
    _look_again(tools, [*singles, *pairs])
    recorded = {name: len(names) for name, names in found.items()}
    result = outcome.summary(singles, pairs, recorded, seed=options.seed, seconds=seconds)
    result |= {"pairs_drawn_in_vain": vain}
    print(outcome.table(result))
    print(f"{vain} pairs were drawn in vain: the recovery took another way")
    print(f"{seconds:.0f} s for all single crashes in {options.lanes} lanes")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if outcome.is_good(result) else 1


def _possible(wanted: list[Case]) -> tuple[list[Case], bool]:
    """The cases without those whose systems are not here, and whether real systems are needed."""
    real = any(case.is_real for case in wanted)
    reason = systems.missing() if real else ""
    if not reason:
        return wanted, real
    say(f"left out: {', '.join(case.name for case in wanted if case.is_real)}: {reason}")
    return [case for case in wanted if not case.is_real], False


def _tasks(wanted: list[Case], found: dict[str, list[str]], every: int) -> list[Task]:
    """A trial for each boundary; all cases side by side, so that those that mostly wait do not wait together."""
    names = {
        case.name: boundaries.thinned(found[case.name][::every], case.all_of, case.others_every) for case in wanted
    }
    placed = [(at / len(names[case.name]), case, name) for case in wanted for at, name in enumerate(names[case.name])]
    return [Task(case, (name,)) for _, case, name in sorted(placed, key=lambda one: one[0])]


def _look_again(tools: campaign.Tools, results: list[Result]) -> None:
    """What was made after its trial had ended was made too often."""
    ledger = tools.lasting.ledger() | tools.forgetful.ledger()
    for result in results:
        known = {name: number for name, number in result.commits.items() if name in ledger}
        late = sum(ledger[name].commits - number for name, number in known.items())
        late += sum(real_scene.late(tools.real, name, number) for name, number in _real(tools, result).items())
        if late > 0:
            result.duplicates += late
            result.words.append(f"duplicates: {late} more after the end")


def _real(tools: campaign.Tools, result: Result) -> dict[str, int]:
    """What of a trial is in the real systems."""
    return {name: number for name, number in result.commits.items() if tools.real and name.startswith("real/")}


def _replay(running: Campaign, task: Task, folder: str) -> int:
    running.record([task.case])
    (result,) = running.trials([task], "replay")
    for trace in result.traces:
        print(f"--- {trace.name}", *trace.read_text().splitlines()[-40:] if trace.exists() else "", sep="\n")
    print(f"{result}\nlogs are in {folder}")
    return 0 if result.is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Kill at every boundary, and count.")
    add = parser.add_argument
    add("--cases", "--case", nargs="+", default=["*"], help="names or patterns such as findable/*")
    add("--at", action="append", help="only this boundary of the case (twice: a pair), and show what happened")
    add("--every", type=int, default=1, help="only every so many boundaries of each case")
    add("--pairs", type=int, default=60, help="how often the one who recovers is killed too")
    add("--seed", type=int, default=1, help="which pairs")
    add("--lanes", type=int, default=14, help="trials at once; at most 15, by Postgres' connections")
    add("--json", type=Path, default=Path("build/crash.json"), help="where the figures are written")
    return parser.parse_args()


def _end(*_: object) -> NoReturn:
    """Leave through all `finally` blocks, so that no process stays."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
