"""The command `tools kinds`: what can be set as a tool, and every setting of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from triage.tools.settings import ToolSettings

ROLES = {"tracker": "TrackerSettings", "notifier": "NotifierSettings", "calendar": "CalendarSettings"}


def kinds(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="Show the settings of this kind.")] = None,
    *,
    as_json: frame.AsJson = False,
) -> None:
    """List the kinds of tools, or all settings of one of them, for triage.toml.

    Example: [bold]triage tools kinds jira-cloud[/]
    """
    found = dict(_every())
    if kind is not None and kind not in found:
        raise frame.Misused(f"there is no kind {kind}; there are: {', '.join(found)}")
    if kind is None:
        _list(found, as_json=as_json)
    else:
        _describe(kind, found[kind][1], as_json=as_json)


def _every() -> "Iterator[tuple[str, tuple[list[str], type[ToolSettings]]]]":
    """Each kind with the roles it can have and the class of its settings."""
    from triage.tools import catalog  # noqa: PLC0415 - start-up speed

    roles: dict[str, list[str]] = {}
    classes: dict[str, Any] = {}
    for role, name in ROLES.items():
        for one in _classes(getattr(catalog, name)):
            kind = one.model_fields["kind"].default
            roles.setdefault(kind, []).append(role)
            classes[kind] = one
    yield from ((kind, (roles[kind], classes[kind])) for kind in sorted(roles))


def _classes(union: object) -> "Iterator[type[ToolSettings]]":
    """The classes in an annotated union of (perhaps annotated) classes."""
    for part in get_args(union):
        if isinstance(part, type):
            yield part
        else:
            yield from _classes(part)


def _list(found: "dict[str, tuple[list[str], type[ToolSettings]]]", *, as_json: bool) -> None:
    if as_json:
        frame.show_json([{"kind": kind, "roles": roles} for kind, (roles, _) in found.items()])
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("kind", "can be", "what it is"):
        table.add_column(name)
    for kind, (roles, settings) in found.items():
        table.add_row(kind, ", ".join(roles), _first_line(settings))
    frame.output().print(table)


def _describe(kind: str, settings: "type[ToolSettings]", *, as_json: bool) -> None:
    fields = {name: field for name, field in settings.model_fields.items() if name != "kind"}
    if as_json:
        frame.show_json(settings.model_json_schema())
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("setting", "default", "what it is"):
        table.add_column(name)
    for name, field in fields.items():
        table.add_row(name, Text(_default(field)), Text(field.description or ""))
    frame.output().print(Text(f'kind = "{kind}"   # {_first_line(settings)}'), table)


def _default(field: "FieldInfo") -> str:
    if field.is_required():
        return "(needed)"
    value = field.get_default(call_default_factory=True)
    return "–" if value in (None, "", {}, ()) else str(value)


def _first_line(settings: "type[ToolSettings]") -> str:
    return (settings.__doc__ or "").strip().splitlines()[0]
