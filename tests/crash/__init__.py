"""Kill a process at every point where the outside world can change, and count what came of it: `python -m tests.crash`."""
