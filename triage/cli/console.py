"""The command `console`."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from triage.cli import frame

if TYPE_CHECKING:
    from triage import config


def console(
    *,
    address: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="0: a free one. Unset: console.port, or a free one if taken.")
    ] = None,
    open_to_network: Annotated[
        bool, typer.Option("--open-to-network", help="Allow an address that other machines can reach, unencrypted.")
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Only print a new link to the console that runs, for one more person.")
    ] = False,
    as_json: frame.AsJson = False,
) -> None:
    """Serve pages that show what was done and let you act, on this machine only; prints a link that works once.

    Examples: [bold]triage console[/] · [bold]triage console --port 9000[/] · [bold]triage console --link[/]
    """
    from triage.console import serve  # noqa: PLC0415 - start-up speed

    if link:
        _tell_link(serve.new_link(_settings()), as_json=as_json)
        return
    with frame.services() as opened:
        serve.serve(opened, serve.Place(address, port, open_to_network), partial(_tell, as_json=as_json))


def _settings() -> "config.Settings":
    from triage import config  # noqa: PLC0415 - start-up speed

    return config.load()


def _tell(text: str, *, as_json: bool) -> None:
    if text.startswith("http"):
        _tell_link(text, as_json=as_json)
    else:
        frame.note(text)


def _tell_link(link: str, *, as_json: bool) -> None:
    if as_json:
        frame.show_json({"link": link})
    else:
        typer.echo(f"Console: {link}")
