"""`python -m tests.tools.servers` lists the servers that can be had here; `install NAME ...` gets more."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from tests.tools.servers import NAMES, missing, venvs

DEBIAN = {"redmine": "redmine", "request_tracker": "rt", "chromium": "chromium", "prometheus": "prometheus"}
"""Servers from Debian's packages, and what the script calls them."""
SCRIPT = Path(__file__).with_name("install.sh")


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.servers", description="Real servers for the tests.")
    parser.add_argument("command", nargs="?", choices=["list", "install"], default="list")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join([*DEBIAN, *venvs.REQUIREMENTS])}")
    options = parser.parse_args()
    unknown = set(options.names) - {*DEBIAN, *venvs.REQUIREMENTS}
    if unknown:
        parser.error(f"cannot install {', '.join(sorted(unknown))}")
    return install(options.names) if options.command == "install" else show()


def show() -> int:
    """One line for each server."""
    for name in NAMES:
        print(f"{name:16} {missing(name) or 'can be used'}")
    return 0


def install(names: list[str]) -> int:
    """Install what is not there yet."""
    wanted = [name for name in names if missing(name)]
    for name in sorted(set(names) - set(wanted)):
        print(f"{name} is there already", flush=True)
    packaged = [DEBIAN[name] for name in wanted if name in DEBIAN]
    if packaged and subprocess.run([SCRIPT, *packaged], check=False).returncode:
        return 1
    for name in wanted:
        if name in venvs.REQUIREMENTS:
            _into_venv(name)
    return 0


def _into_venv(name: str) -> None:
    print(f"Installing {venvs.REQUIREMENTS[name]} into {venvs.home(name)} ...", flush=True)
    began = time.monotonic()
    venvs.install(name)
    print(f"Installed in {time.monotonic() - began:.0f} s.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
