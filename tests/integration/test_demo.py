"""The demonstration as a user runs it: in a process of its own, with nothing prepared."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from triage import local

COMMAND = [sys.executable, "-m", "triage.cli", "demo"]
NOT_BEGUN = b"in _get_module_details"
PATIENCE_S = 30.0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Name a folder in which nothing has run; whatever the test does, nothing runs in it afterwards."""
    folder = tmp_path / "home"
    yield folder
    local.stop(folder)
    assert eventually(lambda: not processes(folder))


def environment(home: Path) -> dict[str, str]:
    """The environment of a fresh machine, but for the folder."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRIAGE_")} | {
        "TRIAGE_HOME": str(home)
    }


def demo(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the demonstration to its end."""
    return subprocess.run([*COMMAND, *words], env=environment(home), capture_output=True, text=True, check=False)


def processes(home: Path) -> list[Any]:
    """Every process that has to do with the folder: the command, its worker, the servers and their guard."""
    return [process for process in psutil.process_iter() if _belongs(process, str(home))]


def _belongs(process: Any, home: str) -> bool:
    try:
        ours = process.environ().get("TRIAGE_HOME") == home or any(home in word for word in process.cmdline())
    except psutil.Error:  # it ended while we looked
        return False
    return bool(ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE)


def workers(home: Path) -> list[Any]:
    """The demonstration's worker."""
    return [process for process in processes(home) if "workers.app" in process.cmdline()]


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true in time."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.05)
    return condition()


@pytest.mark.slow
def test_the_demo_files_everything_once(home: Path) -> None:
    """The first time every report gets its ticket and its notice; the second time nothing new is filed."""
    first = demo(home)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[-1] == (
        "40 reports · 34 tickets · 34 notices · 6 repeats recognised · 0 failures · "
        "this time 34 new tickets, 34 new notices"
    )
    second = demo(home, "--json")
    assert second.returncode == 0, second.stderr
    told = json.loads(second.stdout)
    assert len(told.pop("runs")) == 34
    assert told == {
        "reports": 40,
        "repeats": 40,
        "failures": 0,
        "tickets": 34,
        "notices": 34,
        "new_tickets": 0,
        "new_notices": 0,
    }
    assert eventually(lambda: not processes(home))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 1.5, 3.0])
def test_ctrl_c_leaves_nothing_running_and_nothing_corrupt(home: Path, seconds: float) -> None:
    """Whenever Ctrl-C comes, every process ends, and the next demonstration finishes the work exactly once."""
    running = subprocess.Popen(COMMAND, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(seconds)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=PATIENCE_S)
    assert running.returncode in {130, -signal.SIGINT, 0}
    assert b"Traceback" not in told or NOT_BEGUN in told  # before the command has begun, Python itself answers
    assert eventually(lambda: not processes(home))
    again = json.loads(demo(home, "--json").stdout)
    assert (again["tickets"], again["notices"], again["failures"]) == (34, 34, 0)


@pytest.mark.slow
def test_a_killed_demo_takes_its_worker_along(home: Path) -> None:
    """When the command is killed without a chance to clean up, its worker and the servers end by themselves."""
    running = subprocess.Popen(COMMAND, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert eventually(lambda: bool(workers(home)))
    time.sleep(1.0)
    running.kill()
    running.wait()
    assert eventually(lambda: not processes(home))


def test_the_demo_files_nothing_in_a_real_system(home: Path) -> None:
    """With a real tracker in the settings the invented reports are refused, and nothing is started."""
    settings = {"TRIAGE_TRACKER__KIND": "webhook", "TRIAGE_TRACKER__URL": "http://127.0.0.1:9/"}
    done = subprocess.run(COMMAND, env=environment(home) | settings, capture_output=True, text=True, check=False)
    assert (done.returncode, "the setting tracker names a real system" in done.stderr) == (1, True)
    assert not processes(home)
