"""Check the protocol's model with spin: `python -m tests.model`.

Exit codes: 0 all is as it must be, 1 something is not, 3 a program that this needs is missing (nothing was checked).
"""

import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

MODEL = Path(__file__).with_name("protocol.pml")
BUILD = Path("build/model")
REPORT = Path("build/model.json")
NEEDED = {"spin": "spin", "gcc": "gcc"}
MISSING = 3

LONGEST_RUN = 150
"""Seconds after which one search is given up; it then counts as neither holding nor failing."""
MEMORY = "-DMEMLIM=3000"
"""In MiB; a search that needs more ends by itself, unfinished."""
LONGEST_TRAIL = 2_000
"""Lines of a counterexample's steps that are kept."""

Compile = tuple[str, ...]
SAFETY: Compile = ("-DSAFETY", "-DNOCLAIM", "-DCOLLAPSE")
SHORTEST: Compile = (*SAFETY, "-DBFS")
"""Breadth first, so that the counterexample is the shortest one."""
FAIR: Compile = ("-DCOLLAPSE", "-DNFAIR=4")


@dataclass(frozen=True, slots=True)
class Check:
    """One search: `flags` choose the protocol's variant; `breaks` is what a counterexample must break, None if none."""

    name: str
    flags: tuple[str, ...]
    compiled: Compile
    breaks: str | None = None

    @property
    def run(self) -> tuple[str, ...]:
        """How the compiled search is started; liveness needs weak fairness."""
        return ("-a", "-f", "-m1000000") if self.compiled is FAIR else ("-m1000000",)


@dataclass(frozen=True, slots=True)
class Result:
    """What a search said. `states` were stored; `depth` in steps; `seconds` without compiling."""

    name: str
    flags: tuple[str, ...]
    expected: str
    result: str
    good: bool
    states: int
    depth: int
    seconds: float
    broken: str


TWO_COMMITS = "objects<=1"
STUCK = "invalid end state"


def _tool(tool: str) -> tuple[Check, Check]:
    flag = f"-DTOOL={tool.upper()}"
    return Check(f"{tool}: safe", (flag,), SAFETY), Check(f"{tool}: every run ends", (flag,), FAIR)


def _without(what: str, flag: str, breaks: str, *more: str) -> Check:
    return Check(f"findable, {what}", ("-DTOOL=FINDABLE", flag, *more, "-DONLY_COMMITS"), SHORTEST, breaks)


PEOPLE = ("-DREDRIVE", "-DRESOLVE")
CUTS = "-DCUTS_QUARANTINE"

CHECKS = (
    *itertools.chain.from_iterable(_tool(tool) for tool in ("keyed", "findable", "blind")),
    Check("findable, quarantine below timeout: safe", ("-DTOOL=FINDABLE", "-DT=3", "-DQ=1"), SAFETY),
    _without("no fence", "-DNO_FENCE", TWO_COMMITS),
    _without("no quarantine", "-DNO_QUARANTINE", TWO_COMMITS),
    _without("no deadline check", "-DNO_DEADLINE_CHECK", TWO_COMMITS),
    _without("no relay", "-DNO_RELAY", STUCK),
    Check("findable, people and another tool set: safe", ("-DTOOL=FINDABLE", *PEOPLE, "-DREWIRED"), SAFETY),
    Check("blind, people: safe", ("-DTOOL=BLIND", *PEOPLE), SAFETY),
    _without("redriven early", "-DREDRIVE", TWO_COMMITS, CUTS),
    _without("resolved early", "-DRESOLVE", TWO_COMMITS, CUTS),
    _without("another tool set, early", "-DREWIRED", TWO_COMMITS, CUTS),
)
"""What `make model` runs."""


def main() -> int:
    """Run the checks and print a table."""
    missing = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if missing:
        print(f"nothing was checked; missing, on Debian: apt-get install {' '.join(missing)}")
        return MISSING
    print(_row("check", "states", "depth", "seconds", "result"), flush=True)
    results = [_told(check) for check in CHECKS]
    good = all(result.good for result in results)
    report = {"ok": good, "spin": _spin_version(), "checks": [asdict(result) for result in results]}
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    print("all as it must be" if good else "NOT as it must be", f"({REPORT})")
    return 0 if good else 1


def _told(check: Check) -> Result:
    result = _check(check)
    figures = f"{result.states:,}", f"{result.depth:,}", f"{result.seconds:.1f}"
    print(_row(check.name, *figures, result.result), flush=True)
    return result


def _row(name: str, states: str, depth: str, seconds: str, result: str) -> str:
    return f"{name:<44} {states:>12} {depth:>9} {seconds:>8}  {result}"


def _check(check: Check) -> Result:
    folder = BUILD / re.sub(r"\W+", "-", check.name)
    _compile(check, folder)
    began = time.monotonic()
    said = _output("nice", "-n", "10", "./pan", *check.run, folder=folder)
    seconds = time.monotonic() - began
    broken = _broken(said)
    result, good = _judge(check, said, broken)
    if broken:
        _keep_trail(check, folder)
    return Result(
        name=check.name,
        flags=check.flags,
        expected=f"breaks {check.breaks}" if check.breaks else "holds",
        result=result,
        good=good,
        states=_figure(r"([\d.e+]+) states, stored", said),
        depth=_figure(r"depth reached (\d+)", said),
        seconds=round(seconds, 2),
        broken=broken,
    )


def _compile(check: Check, folder: Path) -> None:
    """Make the search's program. What it printed is the error if there is one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _output("spin", *check.flags, "-a", str(MODEL.resolve()), folder=folder)
    printed = _output("gcc", "-O2", "-w", MEMORY, *check.compiled, "-o", "pan", "pan.c", folder=folder)
    if not (folder / "pan").exists():
        raise SystemExit(f"{check.name} cannot be compiled:\n{printed}")


def _output(*command: str, folder: Path) -> str:
    """What a program prints, also when it is ended for taking too long; pan's exit code says nothing."""
    arguments = ("timeout", str(LONGEST_RUN), *command)
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _judge(check: Check, said: str, broken: str) -> tuple[str, bool]:
    """The result in words, and whether it is what must be."""
    if broken:
        meant = check.breaks is not None and check.breaks in broken
        return ("fails as it must" if meant else f"FAILS: {broken}"), meant
    if not _exhaustive(said):
        return "UNFINISHED: too deep, too large or too slow", False
    return ("HOLDS, but must fail", False) if check.breaks else ("holds", True)


def _broken(said: str) -> str:
    """What a counterexample breaks, in spin's words; empty if there is none."""
    found = re.search(r"^pan:1: (.*?)(?: \(at depth \d+\))?$", said, re.MULTILINE)
    return found.group(1) if found else ""


def _exhaustive(said: str) -> bool:
    """Whether every reachable state was visited: no bound of depth, memory or time was met."""
    cut = "max search depth too small", "Search not completed", "out of memory", "memory limit"
    return "errors: 0" in said and not any(word in said for word in cut)


def _figure(pattern: str, said: str) -> int:
    found = re.search(pattern, said)
    return int(float(found.group(1))) if found else 0


def _keep_trail(check: Check, folder: Path) -> None:
    """The counterexample as a story first, then every step of it."""
    replay = "spin", "-T", "-t", *check.flags, "-k", f"{MODEL.name}.trail"
    steps = _output(*replay, "-p", str(MODEL.resolve()), folder=folder).splitlines()
    story = [line.strip().removeprefix("STORY ") for line in steps if line.strip().startswith("STORY ")]
    text = [check.name, " ".join(check.flags), "", *story, "", "Step by step", *steps[:LONGEST_TRAIL]]
    (BUILD / f"{folder.name}.trail.txt").write_text("\n".join(text) + "\n")


def _spin_version() -> str:
    done = subprocess.run(("spin", "-V"), capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
