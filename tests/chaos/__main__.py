"""`python -m tests.chaos`: see `--help`."""

import argparse
import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from tests.chaos import campaign, network, report, schedule
from tests.chaos.campaign import Plan, Setting
from tests.chaos.network import Network
from tests.chaos.proxy import Forwarders
from tests.chaos.watch import say
from tests.chaos.world import World

CANNOT = 3
"""The exit code when namespaces are wanted and cannot be had: neither good nor bad."""


def main() -> int:
    """Print the schedule, make it happen, print and write the figures; 0 only if everything is as promised."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    if not options.network:
        return _conclude(campaign.run(_plan(options), _folder()), options.json)
    if options.inside:
        return _inside(options, Network(options.inside))
    if missing := network.why_not():
        say(f"nothing was tested: {missing}")
        return CANNOT
    with network.made() as made:
        return network.again_inside(made, sys.argv[1:])


def _inside(options: argparse.Namespace, made: Network) -> int:
    with ExitStack() as stack:

        def settle(world: World) -> Setting:
            stack.enter_context(Forwarders(network.routes(world.addresses)))
            return Setting(made.places(world.addresses), made.cut)

        return _conclude(campaign.run(_plan(options), _folder(), settle), options.json)


def _plan(options: argparse.Namespace) -> Plan:
    kinds = schedule.NETWORK if options.network else schedule.USUAL
    events = schedule.make(options.seed, options.seconds, kinds)
    say(f"{len(events)} faults with seed {options.seed} in {options.seconds:g} s:")
    say("\n".join(str(event) for event in events))
    return Plan(options.seed, options.seconds, options.rate, events)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="triage-chaos-"))
    say(f"logs are in {folder}")
    return folder


def _conclude(result: dict[str, Any], path: Path) -> int:
    print(report.table(result))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if report.is_good(result) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break everything, and count.")
    add = parser.add_argument
    add("--seconds", type=float, default=300.0, help="for how long things go wrong")
    add("--seed", type=int, default=1, help="which schedule")
    add("--rate", type=float, default=20.0, help="reports submitted a second, between bursts")
    add("--json", type=Path, default=Path("build/chaos.json"), help="where the figures are written")
    add("--network", action="store_true", help="workers in network namespaces that are cut off (needs root and `ip`)")
    add("--inside", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _end(*_: object) -> NoReturn:
    """Leave through all `finally` blocks, so that no process stays."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
