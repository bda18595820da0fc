"""The embedded PostgreSQL and Valkey, for real: started, shared, killed at bad moments, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import triage.local
from triage.local import Lease, LocalError, attach, start, status, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 20.0
# A client in a process of its own: says when it is attached, and leaves when its input ends.
CLIENT = """
import sys
from pathlib import Path
from triage.local import attach
with attach(Path(sys.argv[1])) as lease:
    print(lease.endpoints.database_url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder whose servers have run and are stopped; it is copied, because a first start takes longest."""
    home = tmp_path_factory.mktemp("local") / "used"
    attach(home).close()
    _eventually(lambda: not _processes(home))
    return home


@pytest.fixture
def home(used: Path, tmp_path: Path) -> Iterator[Path]:
    """Copy that folder for one test; whatever the test did, nothing runs in it afterwards."""
    folder = tmp_path / "home"
    shutil.copytree(used, folder)
    yield folder
    stop(folder)
    assert not _processes(folder)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """Name a folder that does not exist yet; nothing runs in it afterwards."""
    folder = tmp_path / "home"
    yield folder
    stop(folder)
    assert not _processes(folder)


@pytest.fixture
def weaker_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let guards start without a feature of the kernel, named by an assignment in `triage.local.account`."""

    def weaken(assignment: str) -> None:
        code = f"import triage.local.account\ntriage.local.account.{assignment}\n"
        (tmp_path / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    return weaken


def test_a_first_start_gives_two_working_servers(empty: Path) -> None:
    """From nothing, both servers are ready for work within ten seconds."""
    begun = time.monotonic()
    with attach(empty) as lease:
        assert time.monotonic() - begun < 10
        assert _query(lease, "select current_database(), current_setting('fsync')") == ("triage", "on")
        assert _valkey(lease).config_get("append*")["appendonly"] == "yes"


def test_only_the_password_opens_postgres(home: Path) -> None:
    """PostgreSQL refuses a wrong password, and keeps the right one as SCRAM."""
    with attach(home) as lease:
        stored = "select left(rolpassword, 14) from pg_authid where rolname = 'triage'"
        assert _query(lease, stored) == ("SCRAM-SHA-256$",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(_dsn(lease), password="wrong")  # noqa: S106 - that is the point


def test_only_the_password_opens_valkey(home: Path) -> None:
    """Valkey refuses a wrong password, and no password."""
    with attach(home) as lease:
        port = redis.Redis.from_url(lease.endpoints.broker_url).connection_pool.connection_kwargs["port"]
        for password in ("wrong", None):
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=port, password=password, retry=Retry(NoBackoff(), 0)).ping()


def test_the_folder_is_closed_to_others(empty: Path) -> None:
    """The folder has mode 0700 and every file that is directly in it 0600."""
    with attach(empty):
        assert stat.S_IMODE(empty.stat().st_mode) == 0o700
        files = [path for path in empty.iterdir() if path.is_file()]
        assert len(files) > 5
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_no_password_is_shown(home: Path) -> None:
    """Passwords stand neither in what is printed of the endpoints, nor in a command line, nor in a log."""
    with attach(home) as lease:
        passwords = [path.read_text() for path in home.glob("*.password")]
        lines = [" ".join(process.cmdline()) for process in _processes(home)]
        logs = [path.read_text() for path in home.glob("*.log")]
        shown = "\n".join([repr(lease.endpoints), str(status(home)), *lines, *logs])
        assert len(passwords) == 2
        assert not [password for password in passwords if password in shown]


def test_a_second_client_joins(home: Path) -> None:
    """A second client gets the same servers at once, and they stay when the first one leaves."""
    first = attach(home)
    begun = time.monotonic()
    with attach(home) as second:
        assert time.monotonic() - begun < 1
        assert second.endpoints == first.endpoints
        first.close()
        time.sleep(1)
        assert _query(second, "select 1") == (1,)


def test_the_servers_end_with_the_last_client(home: Path) -> None:
    """When the last client has left, both servers and their guard end, cleanly."""
    attach(home).close()
    _eventually(lambda: not _processes(home))
    assert "database system is shut down" in (home / "postgres.log").read_text().splitlines()[-1]
    assert "bye bye" in (home / "valkey.log").read_text().splitlines()[-1]


def test_the_ports_stay_the_same(home: Path) -> None:
    """Servers that were stopped and started again are found at the same addresses."""
    with attach(home) as lease:
        before = lease.endpoints
    _eventually(lambda: not _processes(home))
    with attach(home) as lease:
        assert lease.endpoints == before


def test_a_taken_port_is_given_up(home: Path) -> None:
    """When somebody else listens on the port used before, the server takes another one."""
    taken = {server.name: server.port for server in status(home).servers}
    listener = subprocess.Popen([sys.executable, "-m", "http.server", str(taken["postgres"]), "--bind", "127.0.0.1"])
    try:
        _eventually(lambda: bool(psutil.Process(listener.pid).net_connections()))
        with attach(home) as lease:
            assert _query(lease, "select 1") == (1,)
            assert {server.name: server.port for server in status(home).servers} != taken
    finally:
        listener.kill()
        listener.wait()


def test_a_killed_client_leaves_nothing(home: Path) -> None:
    """When the only client is killed, the servers end."""
    with _client(home) as client:
        client.kill()
        client.wait()
        _eventually(lambda: not _processes(home))


def test_a_killed_client_does_not_disturb_another(home: Path) -> None:
    """When one of two clients is killed, the other keeps working."""
    with _client(home) as client, attach(home) as lease:
        client.kill()
        client.wait()
        time.sleep(1)
        assert _query(lease, "select 1") == (1,)


def test_ctrl_c_reaches_only_the_client(home: Path) -> None:
    """Ctrl-C in a client's terminal ends the client, and the servers then end by themselves, cleanly."""
    with _client(home) as client:
        os.killpg(client.pid, signal.SIGINT)
        client.wait(PATIENCE_S)
        _eventually(lambda: not _processes(home))
    assert "stopped" in (home / "guard.log").read_text().splitlines()[-1]


def test_a_killed_guard_takes_the_servers_along_and_no_data(home: Path) -> None:
    """After the guard was killed its servers end, and the next client finds what was committed."""
    with attach(home) as lease:
        with psycopg.connect(_dsn(lease), autocommit=True) as connection:
            connection.execute("create table kept as select 42 as answer")
        _valkey(lease).set("kept", "42")
        _kill_guard(home)
        with attach(home) as again:
            assert _query(again, "select answer from kept") == (42,)
            assert _valkey(again).get("kept") == b"42"


def test_a_killed_guard_without_clients_leaves_nothing(home: Path) -> None:
    """After the guard of kept servers was killed, no process stays behind."""
    start(home)
    _kill_guard(home)
    _eventually(lambda: not _processes(home))
    assert not status(home).running


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_killed_server_comes_back_at_the_same_address(home: Path, name: str) -> None:
    """A server that is killed while a client is attached is started again on its port, with its data."""
    with attach(home) as lease:
        with psycopg.connect(_dsn(lease), autocommit=True) as connection:
            connection.execute("create table kept as select 42 as answer")
        _valkey(lease).set("kept", "42")
        killed = _pid(home, name)
        assert killed
        os.kill(killed, signal.SIGKILL)
        _eventually(lambda: _pid(home, name) not in {killed, None})
        assert _query(lease, "select answer from kept") == (42,)
        assert _valkey(lease).get("kept") == b"42"


def test_a_first_start_killed_half_way_leaves_no_half_data(empty: Path) -> None:
    """When client, guard and initdb are killed while the data folder is made, the next start succeeds."""
    with _spawn(empty) as client:
        _eventually(lambda: any("initdb" in process.name() for process in _processes(empty)))
        client.kill()
    _kill_guard(empty)
    _eventually(lambda: not _processes(empty))
    assert not (empty / "postgres").exists()
    with attach(empty) as lease:
        assert _query(lease, "select current_database()") == ("triage",)
        assert not list(empty.glob("postgres.new*"))


def test_two_clients_may_race_for_the_first_start(empty: Path) -> None:
    """Of clients that start at the same moment all get the same servers."""
    clients = [_spawn(empty) for _ in range(3)]
    try:
        assert len({_attached(client) for client in clients}) == 1
        assert len([process for process in _processes(empty) if "triage.local.guard" in process.cmdline()]) == 1
    finally:
        for client in clients:
            client.communicate(timeout=PATIENCE_S)


def test_kept_servers_stay_until_stop(home: Path) -> None:
    """Servers that were started, not attached to, stay without a client until they are stopped."""
    start(home)
    time.sleep(1)
    running = status(home)
    assert (running.running, running.kept) == (True, True)
    assert [server.name for server in running.servers] == ["postgres", "valkey"]
    assert all(server.pid and server.data_bytes > 0 for server in running.servers)
    stop(home)
    stopped = status(home)
    assert (stopped.running, stopped.kept, stopped.guard_pid) == (False, False, None)
    assert [server.pid for server in stopped.servers] == [None, None]
    assert not _processes(home)


def test_stop_does_not_wait_for_clients(home: Path) -> None:
    """Stop ends the servers under an attached client, who finds them again after the next start."""
    with attach(home) as lease:
        stop(home)
        assert not _processes(home)
        start(home)
        assert _query(lease, "select 1") == (1,)


def test_nothing_is_made_by_asking(empty: Path) -> None:
    """Neither status nor stop makes a folder."""
    assert not status(empty).running
    stop(empty)
    assert not empty.exists()


def test_valkey_keeps_its_data_over_a_clean_restart(home: Path) -> None:
    """What was written to Valkey a moment before a clean stop is there after the next start."""
    with attach(home) as lease:
        _valkey(lease).set("kept", "42")
        stop(home)
    with attach(home) as lease:
        assert _valkey(lease).get("kept") == b"42"


def test_a_broken_server_is_reported_with_its_log(home: Path) -> None:
    """A server that does not start is reported with the end of its log, and nothing stays behind."""
    (home / "postgres" / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(LocalError, match=r'(?s)postgres.*ended.*postgres\.log.*"nonsense"'):
        attach(home)
    _eventually(lambda: not _processes(home))


def test_another_version_of_the_data_is_refused(home: Path) -> None:
    """Data of another major version of PostgreSQL is refused with a message that names it."""
    (home / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(LocalError, match="made by PostgreSQL 9"):
        attach(home)


def test_a_foreign_open_folder_is_refused(tmp_path: Path) -> None:
    """A folder that holds other files and is open to others is left as it is."""
    tmp_path.chmod(0o755)
    (tmp_path / "letter.txt").touch()
    with pytest.raises(LocalError, match="open to other users"):
        attach(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_used_process_id_does_not_stop_postgres(home: Path) -> None:
    """A lock file that names some other process, as after a reboot, does not keep PostgreSQL from starting."""
    bystander = subprocess.Popen(["/bin/sleep", "60"])
    try:
        lines = [str(bystander.pid), str(home / "postgres"), "1700000000", "5432", "", "localhost", "", "ready"]
        (home / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        with attach(home) as lease:
            assert _query(lease, "select 1") == (1,)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_servers_left_by_a_killed_guard_are_ended(home: Path, weaker_system: Callable[[str], None]) -> None:
    """Where the kernel does not end the servers of a killed guard, the next start and stop do, without a loss."""
    weaker_system("_prctl = None")
    with attach(home) as lease:
        with psycopg.connect(_dsn(lease), autocommit=True) as connection:
            connection.execute("create table kept as select 42 as answer")
        before = _pid(home, "postgres")
        _kill_guard(home)
        assert before in _pids(home)
        with attach(home) as again:
            assert before not in _pids(home)
            assert _query(again, "select answer from kept") == (42,)
            _kill_guard(home)
            stop(home)
            assert not _processes(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must change its account")
def test_root_without_namespaces_becomes_nobody(weaker_system: Callable[[str], None]) -> None:
    """Where root may not make a user namespace, PostgreSQL runs as nobody."""
    weaker_system("_unshare = None")
    with tempfile.TemporaryDirectory() as reachable:
        Path(reachable).chmod(0o755)
        home = Path(reachable) / "home"
        with attach(home) as lease:
            assert _query(lease, "select 1") == (1,)
            assert psutil.Process(_pid(home, "postgres")).username() == "nobody"
        stop(home)
        assert not _processes(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must change its account")
def test_root_without_namespaces_is_told_about_a_closed_folder(
    empty: Path, weaker_system: Callable[[str], None]
) -> None:
    """Where nobody cannot reach the folder, the error says so."""
    weaker_system("_unshare = None")
    empty.parent.chmod(0o700)
    with pytest.raises(LocalError, match="`nobody` cannot reach"):
        attach(empty)


def _dsn(lease: Lease) -> str:
    return lease.endpoints.database_url.replace("postgresql+psycopg", "postgresql")


def _query(lease: Lease, sql: str) -> tuple[object, ...] | None:
    with psycopg.connect(_dsn(lease), autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchone()


def _valkey(lease: Lease) -> redis.Redis:
    return redis.Redis.from_url(lease.endpoints.broker_url)


def _spawn(home: Path) -> subprocess.Popen[str]:
    here = str(Path(triage.local.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(home)],
        env=os.environ | {"PYTHONPATH": here},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _attached(client: subprocess.Popen[str]) -> str:
    assert client.stdout
    return client.stdout.readline()


@contextmanager
def _client(home: Path) -> Iterator[subprocess.Popen[str]]:
    with _spawn(home) as client:
        assert _attached(client)
        yield client


def _pid(home: Path, name: str) -> int | None:
    return next(server.pid for server in status(home).servers if server.name == name)


def _kill_guard(home: Path) -> None:
    guard = status(home).guard_pid
    assert guard
    os.kill(guard, signal.SIGKILL)
    # The signal is on its way when `kill` returns; a client that attaches before it has arrived joins in vain.
    _eventually(lambda: status(home).guard_pid is None)


def _processes(home: Path) -> list[psutil.Process]:
    """Every process that works in the folder or was given it, except clients."""
    found = []
    for process in psutil.process_iter():
        try:
            works_in = Path(process.cwd())
            named = any(str(home) in word for word in process.cmdline())
        except psutil.Error:
            continue
        if (named or works_in.is_relative_to(home)) and CLIENT not in process.cmdline():
            found.append(process)
    return found


def _pids(home: Path) -> set[int]:
    return {process.pid for process in _processes(home)}


def _eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
