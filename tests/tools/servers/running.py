"""Starting and stopping real servers: a free port, a private folder, a process that ends with the test, a cache."""

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

HOST = "127.0.0.1"
START_LIMIT = 60.0
"""Seconds until a server that does not answer has failed to start."""
STOP_LIMIT = 5.0
POLL = 0.05


def cache() -> Path:
    """Where installed and seeded servers are kept between runs: `TESTS_CACHE`, else below the home folder."""
    return Path(os.environ.get("TESTS_CACHE") or Path.home() / ".cache" / "triage-tests")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A private folder that everybody may enter, since some servers give up root; it is removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix=f"triage-{name}-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(
    command: Sequence[str], ready: Callable[[], bool], log: Path, *, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, with all that it starts, from when `ready` says so; RuntimeError with its log if that never is."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(process, ready, log)
        yield process
    finally:
        _end(process)


def members(group: int) -> list[int]:
    """The processes of a server's group; zombies are gone already, and wait for whoever adopted them."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def listens(port: int) -> bool:
    """Whether somebody listens on this port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def kept(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills once for each recipe, whoever asks at the same time; not to be changed."""
    path = cache() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            making = path.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            make(making)
            making.rename(path)
    return path


def run(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a command that ends by itself wrote; RuntimeError with it if the command failed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def debian(package: str) -> str:
    """The version of an installed Debian package; empty if it is not there."""
    if shutil.which("dpkg-query") is None:
        return ""
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    status, _, version = done.stdout.partition(" ")
    return version if status == "installed" else ""


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    late = time.monotonic() + START_LIMIT
    while not ready():
        if process.poll() is not None or time.monotonic() > late:
            raise RuntimeError(f"{process.args!r} does not serve:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(POLL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole process group, which is ours alone: the server was started as its leader."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        late = time.monotonic() + STOP_LIMIT
        while members(process.pid) and time.monotonic() < late:
            process.poll()
            time.sleep(POLL)
    process.wait()
