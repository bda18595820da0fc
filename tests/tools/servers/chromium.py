"""A real browser: the system's Chromium, driven by Playwright, which brings none of its own here."""

import importlib.util
import shutil

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def program() -> str:
    """Its path; empty if there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), "")


def missing() -> str:
    """Why the browser's tests cannot run here; empty if they can."""
    for name in ("playwright", "axe_playwright_python"):
        if importlib.util.find_spec(name) is None:
            return f"the development dependency {name} is not installed"
    return "" if program() else "no Chromium is installed: `python -m tests.tools.servers install chromium`"
