"""Every request that an adapter makes is one that its vendor's published schema allows."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.tools.hostile import hostile
from tests.tools.scene import PATIENCE, Scene, renewed
from tests.tools.schemas import Schema, Unobtainable, github, google_calendar, linear
from tests.tools.schemas_typed import Typings, discord, microsoft_graph
from tests.tools.servers import required
from tests.tools.subjects import discover, settings_of_all
from triage import clock
from triage.errors import ToolError
from triage.model import Json, ToolClass
from triage.testing.proxy import Exchange

SCHEMAS: dict[str, tuple[Callable[[], Schema], str, str]] = {
    "discord": (discord, "/", "content"),
    "github": (github, "/", "title"),
    "google-calendar": (google_calendar, "/", "start"),
    "linear": (linear, "/graphql", "teamId"),
    "microsoft-graph": (microsoft_graph, "/users", "transactionId"),
}
"""By the kind of adapter: the schema, where the paths that it describes begin, and a field of every write.

All but Discord and Microsoft Graph say that the field must be there.
"""
OPTIONAL = {"discord", "microsoft-graph"}
BIG = {"title": "\U0001f41e" * 10_000, "text": "\U0001f41e" * 200_000}


@dataclass(frozen=True)
class Recorded:
    """A vendor's schema and the requests that our adapter made, of those that the schema describes."""

    kind: str
    schema: Schema
    requests: list[Exchange]
    needed: str

    @property
    def write(self) -> Exchange:
        """The first one that changes something."""
        return next(exchange for exchange in self.requests if exchange.write)


@pytest.fixture(scope="module", params=SCHEMAS)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """All that one adapter asks of its system in its life."""
    obtain, prefix, needed = SCHEMAS[request.param]
    try:
        schema = obtain()
    except Unobtainable as reason:
        if "schemas" in required():
            pytest.fail(f"required here: {reason}")
        pytest.skip(str(reason))
    with discover()[request.param](tmp_path_factory.mktemp("subject")) as subject:
        requests = _life(Scene.open(subject))
    return Recorded(request.param, schema, [each for each in requests if each.path.startswith(prefix)], needed)


def _life(scene: Scene) -> list[Exchange]:
    """Let the adapter make every kind of request that it makes."""
    plain = scene.subject.content
    drafts: tuple[Json, ...] = (plain, hostile(plain), {**plain, **BIG}, {}, scene.subject.invented())
    for draft in drafts:
        request = renewed(scene.request(draft))
        with suppress(ToolError):
            scene.tool.dropped(request, scene.tool.send(request))
        if scene.kind is ToolClass.FINDABLE:
            scene.tool.find(renewed(request))
        scene = replace(scene, key=scene.key[1:] + scene.key[0])
    scene.tool.values(clock.now() + PATIENCE)
    list(scene.tool.marked(datetime.now(UTC) - timedelta(hours=1), clock.now() + PATIENCE))
    list(scene.tool.preflight(clock.now() + PATIENCE))
    return scene.subject.proxy.requests


def test_every_request_is_allowed(recorded: Recorded) -> None:
    """No request breaks the schema, whatever the draft was."""
    assert sum(exchange.write for exchange in recorded.requests) >= 4
    wrong = {
        f"{each.method} {each.path}": found for each in recorded.requests if (found := recorded.schema.wrong(each))
    }
    assert not wrong


def test_the_address_is_the_published_one(recorded: Recorded) -> None:
    """What is called by default is what the vendor names, where it names it."""
    (settings,) = (each for each in settings_of_all() if each.model_fields["kind"].default == recorded.kind)
    assert recorded.schema.home in {"", settings.model_fields["url"].default}


def test_what_is_missing_is_noticed(recorded: Recorded) -> None:
    """The check is alive: a write without a field that must be there is wrong."""
    if recorded.kind in OPTIONAL:
        pytest.skip("not possible: the schema calls every field optional")
    assert recorded.schema.wrong(_changed(recorded.write, lambda fields: fields.pop(recorded.needed, None)))


def test_what_is_invented_is_noticed(recorded: Recorded) -> None:
    """The check is alive: a write with a field that nobody knows is wrong."""

    def invent(fields: Json) -> None:
        if recorded.needed in fields:
            fields["no_such_field"] = 1

    assert recorded.schema.wrong(_changed(recorded.write, invent))


def test_what_has_the_wrong_type_is_noticed(recorded: Recorded) -> None:
    """The check is alive: a field of another type is wrong."""

    def confuse(fields: Json) -> None:
        if recorded.needed in fields:
            fields[recorded.needed] = [{"no": []}]

    assert recorded.schema.wrong(_changed(recorded.write, confuse))


def test_a_wrong_place_is_noticed(recorded: Recorded) -> None:
    """The check is alive: what is sent elsewhere, or asks for what is not there, is wrong."""
    if isinstance(recorded.schema, Typings):
        pytest.skip("not possible: the types know nothing of paths")
    elsewhere = replace(recorded.write, path=recorded.write.path.replace("s", "z"))
    body = recorded.write.body.replace(b"issueCreate", b"issueMake").replace(b"IssueCreate", b"IssueMake")
    assert recorded.schema.wrong(replace(elsewhere, body=body))


def _changed(exchange: Exchange, change: Callable[[Json], object]) -> Exchange:
    """The request with every object of its body changed."""
    fields = json.loads(exchange.body)
    for each in _objects(fields):
        change(each)
    return replace(exchange, body=json.dumps(fields).encode())


def _objects(value: Any) -> list[Json]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [each for item in inside for each in _objects(item)]
    return [*found, value] if isinstance(value, dict) else found
