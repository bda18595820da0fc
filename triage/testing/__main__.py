"""`python -m triage.testing --port 0`: print one JSON line with the URL, then serve until SIGTERM."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence

from triage.testing.server import serve
from triage.testing.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve in the foreground; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m triage.testing", description="A tool server that misbehaves.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--settings", type=json.loads, default={}, help='such as {"delay": 0.05}')
    parser.add_argument("--until-eof", action="store_true", help="also end when standard input is closed")
    options = parser.parse_args(arguments)
    asyncio.run(_serve(options))
    return 0


async def _serve(options: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.until_eof:
        loop.add_reader(sys.stdin, _at_eof, stop.set)
    await serve(Settings(**options.settings), options.port, _announce, stop)


def _at_eof(stop: Callable[[], None]) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin)
        stop()


def _announce(url: str) -> None:
    sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
