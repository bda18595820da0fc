"""The command `guard test`: what the policy says to drafts, without sending anything."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from triage.cli import frame
from triage.cli.text import plain

if TYPE_CHECKING:
    from triage.config import Settings
    from triage.guards.judge import Surroundings
    from triage.guards.policy import Policy
    from triage.model import Request

app = typer.Typer(no_args_is_help=True, help="What may leave the house.")

ALLOWED, REFUSED, ASKS = "allowed", "refused", "needs approval"
FIELDS = {"tool", "stage", "target", "content", "number", "severity", "confidence"}
STANDARD_INPUT = Path("-")

PolicyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="A policy file; none: the one that is set, or the shipped one."),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to one draft (from 1): `rule` is the line of the policy that decided."""

    draft: int
    tool: str
    target: str
    verdict: str
    rule: str
    why: str


@app.callback()
def _group() -> None:
    """What may leave the house."""


@app.command("test")
def try_drafts(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Drafts as JSON or JSONL; `-`: standard input.")],
    *,
    policy: PolicyFile = None,
    target: Annotated[
        list[str] | None, typer.Option(help="A target that is set, beside those of the settings; may be repeated.")
    ] = None,
    at: Annotated[datetime | None, typer.Option(help="Judge as of this time (UTC) instead of now.")] = None,
    as_json: frame.AsJson = False,
) -> None:
    """Say for each draft whether it may be sent, which line of the policy decided, and why. Nothing is sent.

    A draft is a JSON object with `tool`, `stage` (create_ticket, notify or follow_up), `target` and `content`, and
    perhaps `number` (which of its stage's effects), `severity` and `confidence`. What the other system has now is not
    asked for.

    Example: [bold]triage guard test drafts.jsonl --policy policy.toml[/]
    """
    from triage import config  # noqa: PLC0415 - start-up speed
    from triage.guards.judge import Surroundings  # noqa: PLC0415 - start-up speed
    from triage.guards.policy import Policy  # noqa: PLC0415 - start-up speed

    drafts = list(_read(file))
    settings = config.load()
    rules = Policy.load(policy or settings.policy)
    now = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    around = Surroundings(now, _targets(settings, target or []))
    answers = [_answer(number, draft, rules, around) for number, draft in enumerate(drafts, 1)]
    _tell(answers, rules.version, as_json=as_json)
    if any(answer.verdict == REFUSED for answer in answers):
        raise typer.Exit(frame.Code.NOT_ALL_WELL)


def _answer(number: int, fields: dict[str, Any], policy: "Policy", around: "Surroundings") -> Answer:
    from triage.guards.approval import asking  # noqa: PLC0415 - start-up speed
    from triage.guards.judge import judge  # noqa: PLC0415 - start-up speed

    tool, request = str(fields["tool"]), _request(number, fields)
    verdict = judge(policy, request, around)
    if not verdict.allowed:
        return Answer(number, tool, request.target, REFUSED, verdict.rule, verdict.why)
    if rule := asking(policy.approval, tool, request):
        return Answer(number, tool, request.target, ASKS, rule, "a person has to approve it")
    return Answer(number, tool, request.target, ALLOWED, "", "no line of the policy is against it")


def _request(number: int, fields: dict[str, Any]) -> "Request":
    """The call that would be made; the policy judges whatever `content` holds."""
    from triage.model import Request, Stage  # noqa: PLC0415 - start-up speed

    try:
        return Request(
            key="0" * 64,
            target=str(fields["target"]),
            content=fields["content"],
            deadline=0.0,
            stage=Stage(fields["stage"]),
            number=int(fields.get("number", 1)),
            severity=str(fields.get("severity", "")),
            confidence=float(fields.get("confidence", 1.0)),
        )
    except (TypeError, ValueError) as error:
        raise frame.Misused(f"draft {number}: {error}") from None


def _read(file: Path) -> Iterator[dict[str, Any]]:
    """Every draft of the file: one JSON document (an object or a list of them), or one object a line."""
    try:
        text = sys.stdin.read() if file == STANDARD_INPUT else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise frame.Misused(f"{file}: cannot be read: {error}") from None
    for number, draft in enumerate(_documents(file, text), 1):
        if not isinstance(draft, dict) or not {"tool", "stage", "target", "content"} <= draft.keys() <= FIELDS:
            raise frame.Misused(
                f"draft {number}: needs tool, stage, target and content; may have only {sorted(FIELDS)}"
            )
        yield draft


def _documents(file: Path, text: str) -> list[Any]:
    try:
        whole = json.loads(text)
    except ValueError:
        whole = [_line(file, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def _line(file: Path, number: int, line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise frame.Misused(f"{file}, line {number}: is not JSON: {error}") from None


def _targets(settings: "Settings", given: list[str]) -> frozenset[str]:
    """All that are set for any tool: a draft names its tool freely."""
    from triage import config, toolset  # noqa: PLC0415 - start-up speed
    from triage.decide.rules import Rules  # noqa: PLC0415 - start-up speed

    routes = Rules.load(settings.rules).all_routes
    return frozenset(given).union(*(toolset.targets(settings, role, routes) for role in config.TOOLS))


def _tell(answers: list[Answer], version: str, *, as_json: bool) -> None:
    if as_json:
        found = [{name: getattr(answer, name) for name in Answer.__slots__} for answer in answers]
        frame.show_json({"policy": version, "drafts": found})
        return
    for answer in answers:
        decided = f" ({answer.rule})" if answer.rule else ""
        where = f"{answer.tool} → {answer.target}"
        typer.echo(plain(f"{answer.draft}  {answer.verdict}  {where:.80}: {answer.why}{decided}"))
    counts = Counter(answer.verdict for answer in answers)
    typer.echo(f"policy {version}: " + (" · ".join(f"{counts[word]} {word}" for word in counts) or "no drafts"))
