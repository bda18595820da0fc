"""`python -m triage.testing.proxy --target URL`: print one JSON line with the URL, serve until stdin ends."""

import argparse
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import cast

from triage.testing.proxy.book import IsWrite, is_write
from triage.testing.proxy.server import FaultProxy


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve in the foreground; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m triage.testing.proxy", description="A proxy that misbehaves.")
    parser.add_argument("--target", required=True, help="where it forwards to, such as http://127.0.0.1:3000")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--is-write", type=_imported, default=is_write, help="module:function that tells writes")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with FaultProxy(options.target, options.is_write, options.port) as proxy:
        sys.stdout.write(json.dumps({"url": proxy.url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


def _imported(name: str) -> IsWrite:
    module, _, function = name.partition(":")
    return cast(IsWrite, getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    sys.exit(main())
