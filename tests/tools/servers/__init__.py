"""Real servers for the tests of the tools: one file each, with `missing()` and a context manager that runs it."""

import os
from importlib import import_module

import pytest

NAMES = ("redmine", "request_tracker", "radicale", "smtp", "roundup", "synapse", "chromium", "prometheus")
IN_CI = ("redmine", "request_tracker", "radicale", "smtp", "roundup")
"""What the checks install, so that nothing of it is skipped there unnoticed."""


def missing(name: str) -> str:
    """Why this server cannot be had here, in words for a person; empty if it can."""
    try:
        return str(import_module(f"tests.tools.servers.{name}").missing())
    except ModuleNotFoundError as error:
        return f"the development dependency {error.name} is not installed"


def required() -> set[str]:
    """What must not be skipped: the names in `TESTS_REQUIRE`, with commas between; else in CI what that has."""
    names = os.environ.get("TESTS_REQUIRE")
    if names is not None:
        return {name.strip() for name in names.split(",") if name.strip()}
    return set(IN_CI) if os.environ.get("CI") else set()


def require(name: str) -> None:
    """Skip the test if this server cannot be had here, or fail it if it must."""
    reason = missing(name)
    if reason and name in required():
        pytest.fail(f"{name} is required: {reason}")
    if reason:
        pytest.skip(reason)
