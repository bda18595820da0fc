"""The command `explain`: the story of a run, or what was done in a time over all runs."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.markup import escape

from triage.cli import frame
from triage.cli.text import plain
from triage.text import when

if TYPE_CHECKING:
    from triage.store.history import During, Entry
    from triage.store.runs import RunLine


def explain(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run's id.")] = None,
    *,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="A time instead of a run: 2026-11-17 15:47, 15:47, or tuesday 3:47 pm."),
    ] = None,
    span: Annotated[
        str, typer.Option("--for", metavar="SPAN", help="How long from then on, such as 90s, 5m, 2h.")
    ] = "1m",
    zone: Annotated[str | None, typer.Option(help="The time zone, such as Europe/Berlin; else this machine's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=5_000, help="At most so many runs one by one.")] = 50,
    as_json: frame.AsJson = False,
) -> None:
    """Tell what was done and why, in sentences: everything that happened to a run, or to all runs at a time.

    Examples: [bold]triage explain 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b[/] ·
    [bold]triage explain --at "2026-11-17 15:47" --for 5m --zone Europe/Berlin[/]
    """
    if (run is None) == (at is None):
        raise frame.Misused("name a run, or say a time with --at")
    there = _zone(zone)
    if run is not None:
        _explain_run(frame.run_id(run), there, as_json=as_json)
    else:
        since = moment(at or "", there, datetime.now(there))
        _explain_time(since, since + length(span), there, limit, as_json=as_json)


def _explain_run(run_id: UUID, zone: tzinfo, *, as_json: bool) -> None:
    with frame.services() as opened:
        line, entries = opened.runs.get(run_id), opened.history.of(run_id)
    from triage import story  # noqa: PLC0415 - start-up speed

    sentences = story.sentences(entries, zone)
    if as_json:
        texts = [sentence.text for sentence in sentences]
        frame.show_json(_run_document(line, entries, story.summary(line, entries), texts))
        return
    _tell([story.summary(line, entries), "", *(sentence.text for sentence in sentences)])


def _run_document(line: "RunLine", entries: "Sequence[Entry]", summary: str, texts: Sequence[str]) -> dict[str, Any]:
    told = [_plain(asdict(entry)) | {"text": text} for entry, text in zip(entries, texts, strict=True)]
    return {"run": line.model_dump(mode="json"), "summary": summary, "history": told}


def _explain_time(since: datetime, until: datetime, zone: tzinfo, limit: int, *, as_json: bool) -> None:
    with frame.services() as opened:
        during = opened.history.during(since, until, limit)
    from triage import story  # noqa: PLC0415 - start-up speed

    answer = story.answer(during, zone)
    if as_json:
        frame.show_json(_time_document(during, answer.summary, [line.text for line in answer.lines]))
        return
    _tell([*answer.summary, *([""] if answer.lines else []), *(line.text for line in answer.lines)])
    if answer.left_out:
        frame.note(f"{answer.left_out:,} more runs are left out; --limit shows more, a shorter --for has fewer")


def _time_document(during: "During", summary: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    runs = [_plain(asdict(run)) | {"text": text} for run, text in zip(during.runs, texts, strict=True)]
    return {
        "since": during.since.isoformat(),
        "until": during.until.isoformat(),
        "summary": list(summary),
        "counts": [asdict(count) for count in during.counts],
        "runs": runs,
        "left_out": during.left_out,
        "tools": [_plain(asdict(entry)) for entry in during.tools],
    }


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, datetime | UUID) else value for name, value in fields.items()}


def _tell(lines: Sequence[str]) -> None:
    console = frame.output()
    for line in lines:
        console.print(escape(plain(line)), soft_wrap=True)


def moment(text: str, zone: tzinfo, now: datetime) -> datetime:
    """As `triage.text.when.moment`; raises Misused for what is none."""
    try:
        return when.moment(text, zone, now)
    except ValueError as error:
        raise frame.Misused(str(error)) from None


def length(text: str) -> timedelta:
    """A span such as 90s, 5m or 2h, up to a day; raises Misused for what is none."""
    try:
        return when.length(text)
    except ValueError as error:
        raise frame.Misused(f"--for {error}") from None


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return datetime.now(UTC).astimezone().tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise frame.Misused(f"{name!r:.80} is no time zone; say one such as Europe/Berlin or UTC") from None
