"""Under which account a program runs, and what happens to it when the guard dies.

PostgreSQL refuses to run as root. A user namespace makes root look like `nobody` to it, while its files stay root's and
every folder stays as closed as it was. Where the kernel does not allow that (many containers), the real `nobody`
must do, and then it needs a way to the files.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import subprocess
import sys
from enum import Enum
from functools import partial
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

from triage.local.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path
    from signal import Signals

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
# Looked up before any fork: between fork and exec as little as possible should happen.
_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl if sys.platform == "linux" else None
_unshare = _libc.unshare if sys.platform == "linux" else None


class Account(Enum):
    """The caller's own account; root shown as nobody; or the real nobody."""

    OWN = "own"
    MAPPED = "mapped"
    NOBODY = "nobody"

    def options(self, death: Signals) -> dict[str, Any]:
        """Return the arguments for `Popen`: the account, and the signal the program gets when its parent dies.

        The signal is a Linux feature and belongs to the thread that starts the program: call from the main thread.
        """
        options: dict[str, Any] = {"preexec_fn": partial(_between_fork_and_exec, self, death, os.getpid(), _nobody())}
        if self is Account.NOBODY:
            uid, gid = _nobody()
            options |= {"user": uid, "group": gid, "extra_groups": []}
        return options

    def give(self, path: Path) -> None:
        """Make a file or folder the account's own, where the account differs from ours."""
        if self is Account.NOBODY:
            os.chown(path, *_nobody())


def choose(programs: Path, folder: Path) -> tuple[Account, Path]:
    """Return the account that can run `programs`/postgres on data below `folder`, and where it finds the programs.

    They are copied into `folder` if `nobody` cannot reach them. Raises LocalError if it cannot reach `folder`, or
    cannot run the programs.
    """
    # An account without a name, as some containers use, is refused by PostgreSQL as well.
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return Account.OWN, programs
    if _can_run(programs, Account.MAPPED):
        return Account.MAPPED, programs
    if os.geteuid() != 0:
        return Account.OWN, programs
    return Account.NOBODY, _open_to_nobody(programs, folder)


def _between_fork_and_exec(account: Account, death: Signals, parent: int, nobody: tuple[int, int]) -> None:
    if account is Account.MAPPED:
        _look_like(*nobody)
    # After the change of account, which would clear it.
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(death), 0, 0, 0)
    # The parent may have died before the line above: then nobody would ever send the signal.
    if os.getppid() != parent:
        os._exit(1)


def _look_like(uid: int, gid: int) -> None:
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    if _unshare is None or _unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    for name, text in (
        ("setgroups", "deny"),  # the kernel asks for it before it accepts a group map
        ("uid_map", f"{uid} {outside_uid} 1"),
        ("gid_map", f"{gid} {outside_gid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return 65534, 65534
    return entry.pw_uid, entry.pw_gid


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _open_to_nobody(programs: Path, folder: Path) -> Path:
    Account.NOBODY.give(folder)
    if not _try(["/bin/sh", "-c", 'cd "$0"', str(folder)], Account.NOBODY):
        message = (
            f"PostgreSQL must not run as root and user `nobody` cannot reach {folder}. "
            "Choose a folder whose parents everyone may enter, or do not run as root."
        )
        raise LocalError(message)
    if _can_run(programs, Account.NOBODY):
        return programs
    if programs.parent.name.startswith("pginstall"):
        return _copy(programs, folder)
    message = (
        f"PostgreSQL must not run as root and user `nobody` cannot run {programs / 'postgres'}. "
        "Install PostgreSQL where everyone may reach it, or do not run as root."
    )
    raise LocalError(message)


def _can_run(programs: Path, account: Account) -> bool:
    return _try([str(programs / "postgres"), "--version"], account)


def _try(command: list[str], account: Account) -> bool:
    options = account.options(SIGKILL)
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False, **options)  # noqa: S603 - our own
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _copy(programs: Path, folder: Path) -> Path:
    """Copy a wheel's package and the libraries beside it, which its programs find by their relative place."""
    package, site = programs.parents[1], programs.parents[2]
    copied = folder / "postgres.programs"
    shutil.rmtree(copied, ignore_errors=True)
    for part in (package, site / f"{package.name}.libs"):
        if part.exists():
            shutil.copytree(part, copied / part.name, symlinks=True)
    copied.chmod(0o755)
    return copied / programs.relative_to(site)
