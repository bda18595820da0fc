"""The commands `approvals list|show|approve|deny`: leave for what the policy lets nobody send alone."""

import re
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from triage.cli import frame
from triage.cli.text import moment, one_line, plain

if TYPE_CHECKING:
    from triage.bootstrap import Services
    from triage.store.approvals import ApprovalView

app = typer.Typer(no_args_is_help=True, help="What waits for a person's leave.")

DIGEST = re.compile(r"[0-9a-f]{64}")
Number: TypeAlias = Annotated[int, typer.Argument(metavar="NUMBER", help="The approval's number.")]
Digest: TypeAlias = Annotated[
    str, typer.Option(metavar="HEX", help="The digest that was looked at; needed where nobody can be asked.")
]
Why: TypeAlias = Annotated[str, typer.Option(help="Why; it is kept with the run.")]


@app.command("list")
def list_approvals(
    *,
    every: Annotated[bool, typer.Option("--all", help="Also what was decided.")] = False,
    as_json: frame.AsJson = False,
) -> None:
    """List what waits for leave, newest first.

    Example: [bold]triage approvals list[/]
    """
    with frame.services() as opened:
        found = opened.approvals.asked(pending=not every)
    if as_json:
        frame.show_json([_document(one) for one in found])
    else:
        frame.output().print(_table(found) if found else Text("nothing waits for leave"))


@app.command("show")
def show_approval(number: Number, *, as_json: frame.AsJson = False) -> None:
    """Show exactly what would be sent, byte for byte, why it needs leave, and who said what.

    Example: [bold]triage approvals show 7[/]
    """
    with frame.services() as opened:
        one = opened.approvals.get(number)
        body = _body(opened, one)
    if as_json:
        frame.show_json(_document(one) | {"body": body})
    else:
        frame.output().print(_story(one, body))


@app.command()
def approve(number: Number, *, digest: Digest = "", why: Why = "", as_json: frame.AsJson = False) -> None:
    """Give leave for exactly the request that `show` shows; it may be used once, before it expires.

    Example: [bold]triage approvals approve 7 --why "seen with support"[/]
    """
    _decide(number, digest, why, leave=True, as_json=as_json)


@app.command()
def deny(number: Number, *, digest: Digest = "", why: Why = "", as_json: frame.AsJson = False) -> None:
    """Deny leave for good: a ticket or a notice is not sent and its run ends; a follow-up is left out.

    Example: [bold]triage approvals deny 7 --why "a duplicate of 4711"[/]
    """
    _decide(number, digest, why, leave=False, as_json=as_json)


def _decide(number: int, digest: str, why: str, *, leave: bool, as_json: bool) -> None:
    with frame.services() as opened:
        seen = bytes.fromhex(_hex(digest)) if digest else _asked(opened, number, leave=leave, as_json=as_json)
        state = opened.approvals.decide(number, seen, leave=leave, by=frame.who(), why=why)
    if as_json:
        frame.show_json({"approval": number, "state": state})
    else:
        typer.echo(f"approval {number} is {state}" + (": others have to give leave too" if state == "pending" else ""))


def _asked(opened: "Services", number: int, *, leave: bool, as_json: bool) -> bytes:
    """The digest of what was shown and agreed to."""
    if as_json:
        raise frame.Misused("with --json nobody can be asked: name the --digest that was looked at")
    one = opened.approvals.get(number)
    frame.output().print(_story(one, _body(opened, one)))
    typer.confirm("Give leave for exactly this?" if leave else "Deny leave for this, for good?", abort=True)
    return one.digest


def _hex(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise frame.Misused("a digest has 64 digits from 0 to f; `triage approvals show` tells it")
    return digest


def _body(opened: "Services", one: "ApprovalView") -> str:
    """What the tool would send, if it is set here."""
    from triage.model import Request  # noqa: PLC0415 - start-up speed

    tool = opened.toolset.guarded.get(one.tool)
    if tool is None:
        return f"(the tool {one.tool} is not set here)"
    key = opened.approvals.key(one.id).hex()
    return tool.render(Request(key, one.target, one.content, 0.0, one.stage, one.number)).decode("utf-8", "replace")


def _document(one: "ApprovalView") -> dict[str, object]:
    return one.model_dump(mode="json", exclude={"digest"}) | {"digest": one.digest.hex()}


def _table(found: "list[ApprovalView]") -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("number", "state", "tool", "target", "what", "why", "expires"):
        shown.add_column(name, no_wrap=name != "why")
    for one in found:
        what = one_line(str(one.content.get("title") or one.content.get("text") or ""), 40)
        cells = (str(one.id), _state(one), one.tool, one.target, what, one.why, moment(one.expires_at))
        shown.add_row(*(Text(plain(cell)) for cell in cells))
    return shown


def _state(one: "ApprovalView") -> str:
    return "expired" if one.expired and one.state == "pending" else one.state


def _story(one: "ApprovalView", body: str) -> Group:
    said = [f"{entry['by']} said {'yes' if entry['leave'] else 'no'}: {entry['why'] or '–'}" for entry in one.said]
    facts = [
        f"approval {one.id}, {_state(one)}: {one.why}",
        f"run {one.run_id}, {one.stage} {one.number}; {one.people} to give leave before {moment(one.expires_at)}",
        *said,
        f"digest {one.digest.hex()}",
        "",
        f"To {one.tool}, {one.target}, exactly this would be sent:",
        "",
        body,
    ]
    return Group(*(Text(plain(fact)) for fact in facts))
