"""Servers from PyPI whose dependencies must not meet ours: each in a virtual environment of its own, in the cache."""

import shutil
import sys
from pathlib import Path

from tests.tools.servers import running

REQUIREMENTS = {"roundup": "roundup>=2.6,<2.7", "synapse": "matrix-synapse>=1.163,<2"}


def home(name: str) -> Path:
    """Where the environment is, or would be."""
    return running.cache() / "venvs" / name


def program(name: str, command: str = "python") -> str:
    """The path of one of its commands."""
    return str(home(name) / "bin" / command)


def missing(name: str) -> str:
    """Why the environment is not there; empty if it is."""
    if (home(name) / "installed").exists():
        return ""
    return f"{name} is not installed: `python -m tests.tools.servers install {name}`"


def install(name: str) -> None:
    """Make the environment anew; RuntimeError with pip's words if that fails."""
    shutil.rmtree(home(name), ignore_errors=True)
    running.run([sys.executable, "-m", "venv", str(home(name))])
    running.run([program(name), "-m", "pip", "install", "--quiet", REQUIREMENTS[name]])
    (home(name) / "installed").touch()
