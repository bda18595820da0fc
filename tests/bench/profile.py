"""Where the time of a worker goes: py-spy's samples by thread, by subsystem and by function.

Only threads that hold the interpreter lock are sampled: that is the time in which nobody else in the process gets on.
"""

import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.bench import measure, systems
from tests.bench.measure import Submitter
from tests.bench.rounds import Bench

SECONDS = 15
RATE = 250
TOP = 30
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]+):\d+\)$")

SUBSYSTEMS = {
    "otel": ("/opentelemetry/",),
    "logging": ("/structlog/", "/logging/__init__.py"),
    "redis": ("/redis/", "/hiredis/"),
    "kombu": ("/kombu/", "/amqp/", "/vine/"),
    "celery": ("/celery/", "/billiard/"),
    "psycopg": ("/psycopg/", "/psycopg_binary/"),
    "sqlalchemy": ("/sqlalchemy/",),
    "http": ("/triage/tools/", "/h11/"),
    "pydantic": ("/pydantic/", "/pydantic_core/"),
    "rules": ("/triage/decide/",),
    "ours": ("/triage/", "/workers/"),
}
"""A sample belongs to the first of these that its innermost frame outside the standard library is in."""


def record(bench: Bench, out: Path) -> str:
    """Profile one of the product's workers while it drains; raw stacks go to `out`, the report is returned."""
    system = systems.SYSTEMS["triage"]
    with systems.running(system, bench.servers, bench.stub, bench.folder, slots=bench.sizes.slots, wait=0) as running:
        submitter = Submitter(running)
        measure.warm_up(submitter)
        feeding = threading.Thread(target=submitter.submit, args=(bench.sizes.runs,), daemon=True)
        feeding.start()
        _sample(running.workers[0].pid, out)
        feeding.join(systems.PATIENCE)
        submitter.finish()
    return report(out.read_text().splitlines())


def report(lines: Iterable[str]) -> str:
    """The tables for folded stacks (`outer;…;inner count`)."""
    stacks = [(frames.split(";"), int(count)) for frames, _, count in (line.rpartition(" ") for line in lines)]
    total = sum(count for _, count in stacks)
    parts = [
        _table("by thread", _counted((_thread(stack), count) for stack, count in stacks), total),
        _table("by subsystem", _counted((_subsystem(stack), count) for stack, count in stacks), total),
        _table("self", _counted((_short(stack[-1]), count) for stack, count in stacks), total),
        _table("inclusive", _counted((f, count) for stack, count in stacks for f in {*map(_short, stack)}), total),
    ]
    return "\n\n".join(parts)


def _sample(pid: int, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "-f", "raw", "-o", str(out)]
    options = ["-d", str(SECONDS), "-r", str(RATE), "--gil", "--threads", "--full-filenames", "--pid", str(pid)]
    subprocess.run([*command, *options], check=True, timeout=SECONDS + 60, stdout=subprocess.DEVNULL)


def _counted(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for name, count in pairs:
        counted[name] += count
    return counted


def _table(title: str, counted: Counter[str], total: int) -> str:
    rows = [f"{100 * count / total:6.1f} %  {name}" for name, count in counted.most_common(TOP)]
    return "\n".join([f"{title} ({total} samples)", *rows])


def _thread(stack: list[str]) -> str:
    name = re.sub(r"[\d_-]+", "", stack[0].partition(":")[2].strip(' "'))
    return name or stack[0]


def _subsystem(stack: list[str]) -> str:
    for frame in reversed(stack):
        for name, places in SUBSYSTEMS.items():
            if any(place in frame for place in places):
                return name
    return "python"


def _short(frame: str) -> str:
    """A frame as `package/file.py function`."""
    found = _FRAME.match(frame)
    return f"{'/'.join(found['file'].split('/')[-2:])} {found['function']}" if found else frame
