"""What `local` does with the embedded servers of the folder that the settings name."""

from dataclasses import asdict
from pathlib import Path

import typer
from rich.table import Table

from triage import config, local
from triage.cli import frame


def start() -> None:
    """Start them for as long as nobody stops them."""
    local.start(_home())


def stop() -> None:
    """Stop them."""
    local.stop(_home())


def tell(*, as_json: bool) -> None:
    """Print how they are."""
    found = local.status(_home())
    if as_json:
        frame.show_json(asdict(found) | {"home": str(found.home)})
        return
    kept = " until `triage local stop`" if found.kept else " for as long as somebody uses them"
    typer.echo(f"{'running' + kept if found.running else 'not running'}, in {found.home}")
    if found.servers:
        frame.output().print(_table(found))


def _home() -> Path:
    return Path(config.load().home)


def _table(found: local.Status) -> Table:
    table = Table("server", "version", "port", "process", "data", box=None, pad_edge=False, header_style="bold")
    for one in found.servers:
        size = f"{one.data_bytes / 1_000_000:.1f} MB"
        table.add_row(one.name, one.version, str(one.port), str(one.pid or "–"), size)
    return table
