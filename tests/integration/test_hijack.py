"""A hijacked decision leaves nothing outside, and every refusal is explained by `triage show`."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pydantic
import pytest

from tests.support.site import report
from tests.tools import servers
from tests.tools.hostile import IN_KIND, alive
from tests.tools.servers.radicale import Radicale, radicale
from triage import cli, retry
from triage.bootstrap import Services
from triage.config import Settings
from triage.engine import Engine
from triage.model import Decision, FollowUp, Stage, Status
from triage.store.runs import EffectView, RunStory
from triage.testing import hijacked
from triage.testing.hijacked import HijackedDecider
from triage.testing.proxy import FaultProxy
from triage.testing.twins.github import REPOSITORY, GitHubTwin
from triage.testing.twins.issues import TOKEN, Issue
from triage.testing.twins.slack import Slack
from triage.tools import marker
from triage.tools.calendars import ical

SLACK_TOKEN = "xoxb-secret-of-the-test"  # noqa: S105 - opens nothing
CHANNEL = "C0BUGS"
POLICY = 'name = "house"\n'
OURS = {"project": ""}
"""What makes the ticket harmless: it goes where tickets go."""


@dataclass
class House:
    """A product with a GitHub, a Slack and a real calendar, all behind proxies that count."""

    services: Services
    github: GitHubTwin
    slack: Slack
    radicale: Radicale
    proxies: dict[str, FaultProxy]
    before: int

    def file(self, decider: HijackedDecider) -> RunStory:
        """Submit one report and carry its run to its end, in this process."""
        services, lease = self.services, self.services.lease
        tools = services.toolset
        engine = Engine(services.store, decider, tools.guarded, tools.outlets, policy=retry.Policy())
        (submitted,) = services.store.submit_many([report(body="Nothing but a <!channel> crash @everyone")], None)
        lease.renew()
        stage: Stage | None = Stage.TRIAGE
        while stage is not None:
            stage = engine.run_stage(submitted.run_id, stage, lease).next_stage
        lease.give_up()
        return services.runs.story(submitted.run_id)

    def close(self) -> None:
        """Give all connections back."""
        self.services._transport.close()
        self.services.close()

    @property
    def writes(self) -> dict[str, int]:
        """The requests that could change something, by system."""
        return {name: proxy.writes for name, proxy in self.proxies.items()}

    @property
    def issues(self) -> list[Issue]:
        """What was made in the tracker."""
        return self.github.issues[self.before :]

    def shown(self, run_id: UUID, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
        """What `triage show` says, as JSON and as text."""
        capsys.readouterr()
        assert cli.main(["show", str(run_id), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert cli.main(["show", str(run_id)]) == 0
        return document, " ".join(capsys.readouterr().out.split())


def settings(proxies: dict[str, FaultProxy], there: Radicale, database_url: str, policy: Path) -> Settings:
    """All tools, and no more than one target for each."""
    calendar = {"user": there.user, "password": there.password, "target": there.path.strip("/")}
    given: dict[str, Any] = {
        "tracker": {"kind": "github", "url": proxies["github"].url, "token": TOKEN, "target": REPOSITORY},
        "notifier": {"kind": "slack", "url": proxies["slack"].url, "token": SLACK_TOKEN, "target": CHANNEL},
        "calendar": {"kind": "caldav", "url": proxies["radicale"].url, **calendar},
        "database_url": database_url,
        "policy": policy,
        "egress_allow": ("127.0.0.1",),
    }
    return Settings(**given)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Write the policy that nothing is added to."""
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def house(database_url: str, policy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Start everything, and let the command line find the state."""
    servers.require("radicale")
    monkeypatch.setenv("TRIAGE_DATABASE_URL", database_url)
    with ExitStack() as stack:
        github, slack = stack.enter_context(GitHubTwin()), stack.enter_context(Slack(SLACK_TOKEN))
        there = stack.enter_context(radicale())
        urls = {"github": github.url, "slack": slack.url, "radicale": there.url}
        proxies = {name: stack.enter_context(FaultProxy(url)) for name, url in urls.items()}
        services = Services(settings(proxies, there, database_url, policy))
        opened = House(services, github, slack, there, proxies, len(github.issues))
        stack.callback(opened.close)
        yield opened


def refused(story: RunStory) -> list[EffectView]:
    """The calls that a guard did not let out."""
    return [one for one in story.effects if one.state == "refused"]


def assert_explained(house: House, story: RunStory, capsys: pytest.CaptureFixture[str]) -> None:
    """For every call that was not let out both forms of `triage show` name what refused it, the rule and why."""
    document, text = house.shown(story.run.id, capsys)
    told = {(one["stage"], one["number"]): one for one in document["effects"]}
    version = house.services.policy.version
    for effect in refused(story):
        shown = told[effect.stage, effect.number]
        guarded = shown["tool"] == "no-such-tool" or f"refused by the policy {version}: " in shown["error"]
        assert guarded, shown
        why, _, rule = shown["error"].removesuffix(")").rpartition(" (")
        assert why and rule.partition(" = ")[0].split(":")[0] in RULES, shown
        assert (shown["state"], shown["policy"]) == ("refused", version)
        told_so = f"call to {effect.tool} ({effect.target}): refused: {effect.error} [policy {version}]"
        assert " ".join(told_so.split()) in text


CALL = re.compile(r"@(everyone|team|here|channel|octocat)")
MARKER = re.compile(r"triage-run")
LINKED = {"link": "https://example.org/1"}
SHORT = {**LINKED, "minutes": 30}
ALONE: dict[str, Any] = {**SHORT, "attendees": []}
NEXT_NIGHT = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT23:00:00Z")
RULES = {
    "tickets.targets",
    "notices.targets",
    "notices.per_run",
    "events.longest",
    "events.per_run",
    "events.domains",
    "events.working_hours",
    "events.most_attendees",
    "follow_ups.kinds",
    "links.hosts",
    "tickets",
}


def test_everything_at_once_comes_to_nothing(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A ticket for an unknown project is refused, the run is dead, and not one request was made that writes."""
    story = house.file(HijackedDecider())
    assert (story.run.status, len(story.effects)) == (Status.DEAD, 1)
    assert [(one.stage, one.target) for one in refused(story)] == [(Stage.CREATE_TICKET, "attacker/loot")]
    assert house.writes == {"github": 0, "slack": 0, "radicale": 0}
    assert (house.issues, house.slack.messages, house.radicale.events()) == ([], [], [])
    assert "'attacker/loot' is not among the allowed targets" in str(story.run.reason)
    assert_explained(house, story, capsys)


def test_in_a_known_project_one_inert_ticket_is_left(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Of all that is asked for one ticket and one notice come about, both inert; everything else is refused."""
    story = house.file(HijackedDecider(**OURS))
    assert story.run.status is Status.DONE
    assert house.writes == {"github": 1, "slack": 1, "radicale": 0}
    assert len(refused(story)) == len(hijacked.proposals())
    assert str(refused(story)[0].error).endswith("(links.hosts = [])")
    assert_inert(house, story)
    assert_explained(house, story, capsys)


def assert_inert(house: House, story: RunStory) -> None:
    """Nobody is called, nothing is hidden, and the only marker is ours."""
    (issue,), (message,) = house.issues, house.slack.messages
    (effect,) = [one for one in story.effects if one.stage is Stage.CREATE_TICKET]
    assert issue.key and issue.key == marker.in_comment(issue.text)
    assert issue.key != hijacked.FORGED_KEY and effect.remote_id == str(issue.number)
    body = issue.text.removesuffix(marker.comment(issue.key))
    assert list(alive("github", body, (r"@team", r"<!--"))) == [], body
    assert not [text for text in (body, issue.title, *issue.labels) if MARKER.search(text)]
    made_up = HijackedDecider().decide(report()).labels
    assert issue.labels and not {*issue.labels} & {*made_up}, issue.labels  # a label may start other machines
    assert not CALL.search(issue.title), issue.title  # a title is plain text, but for these
    said = str(message.fields["text"])
    assert list(alive("slack", said, (r"<!--",))) == [] and not CALL.search(said) and not MARKER.search(said), said
    assert message.channel == CHANNEL and hijacked.FORGED_KEY not in message.metadata


def test_a_route_that_nobody_set_gets_no_notice(
    house: House, database_url: str, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where routes choose the channel, a route that nobody set is refused: the ticket is all there is."""
    given = settings(house.proxies, house.radicale, database_url, policy)
    routed = given.notifier.model_copy(update={"target": "", "routes": {"team": CHANNEL}})
    house.close()
    house.services = Services(given.model_copy(update={"notifier": routed}))
    story = house.file(HijackedDecider(**OURS))
    assert story.run.status is Status.DEAD
    assert house.writes == {"github": 1, "slack": 0, "radicale": 0}
    assert [(one.stage, one.target) for one in refused(story)] == [(Stage.NOTIFY, "board-of-directors")]
    assert "notices.targets" in str(story.run.reason)
    assert_explained(house, story, capsys)


def test_no_follow_up_is_a_second_ticket(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty further tickets, whatever they are called, are refused one by one, and each refusal is told."""
    story = house.file(HijackedDecider(**OURS, follow_ups=hijacked.tickets()))
    assert (story.run.status, len(house.issues)) == (Status.DONE, 1)
    told = [(one.number, one.tool, one.error) for one in refused(story)]
    assert [number for number, _, _ in told] == list(range(1, 21))
    assert {tool for _, tool, _ in told} == {"no-such-tool"}
    assert told[1][2] == "there is no tool for 'create_ticket' (follow_ups.kinds)"
    assert_explained(house, story, capsys)


def test_the_houses_own_review_cannot_be_bent(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A critical decision gets the block that is set, as it is set; what it proposes itself is one too many."""
    blocks = (hijacked.calendar_block(), hijacked.calendar_block(minutes=30, attendees=[]))
    story = house.file(HijackedDecider(**OURS, severity="critical", follow_ups=blocks))
    assert story.run.status is Status.DONE
    (event,) = map(ical.read, house.radicale.events())
    assert "ATTENDEE" not in event and hijacked.AT_NIGHT[:4] not in event["DTSTART"][0]
    assert [str(one.error).partition("(")[2] for one in refused(story)] == ["events.per_run = 1)"] * 2
    assert_explained(house, story, capsys)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, "links.hosts = []"),
        ({**LINKED}, "events.longest = 2 h"),
        ({**SHORT}, "events.most_attendees = 5"),
        ({**SHORT, "attendees": ["eve@attacker.example"]}, "events.domains = []"),
        ({**ALONE}, "events.furthest = 90 d"),
        ({**ALONE, "start": "2020-05-06T10:00:00Z"}, "events.start"),
        ({**ALONE, "start": NEXT_NIGHT}, "events.working_hours = 09:00-17:00"),
        ({**ALONE, "start": "tomorrow"}, "events: start"),
        ({**ALONE, "minutes": True}, "events: minutes"),
        ({**ALONE, "follow_up": "refund"}, "follow_ups.kinds"),
        ({**ALONE, "target": "triage/other"}, "events: target"),
    ],
)
def test_a_block_is_refused_for_each_of_its_faults(house: House, changed: dict[str, Any], rule: str) -> None:
    """Mended fault by fault, a calendar block is refused for the next one, and never reaches the calendar."""
    story = house.file(HijackedDecider(**OURS, follow_ups=[hijacked.calendar_block(**changed)]))
    (effect,) = refused(story)
    assert f"({rule}" in str(effect.error)
    assert (house.proxies["radicale"].writes, house.radicale.events()) == (0, [])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"follow_ups": [hijacked.refund()] * 51}, "follow_ups"),
        ({"follow_ups": [{"kind": "x" * 65}]}, "follow_ups.0.kind"),
        ({"follow_ups": [{"kind": "refund", "arguments": {"why": "x" * 20_001}}]}, "follow_ups.0.arguments"),
        ({"follow_ups": [{"kind": "refund", "tool": "tracker"}]}, "follow_ups.0.tool"),
        ({"title": "x" * 501}, "title"),
        ({"title": ""}, "title"),
        ({"summary": "x" * 2_001}, "summary"),
        ({"component": "x" * 65}, "component"),
        ({"project": "x" * 201}, "project"),
        ({"severity": "apocalyptic"}, "severity"),
        ({"kind": "refund"}, "kind"),
        ({"confidence": 1.01}, "confidence"),
        ({"reason": "x" * 4_001}, "reason"),
        ({"route": "x" * 201}, "route"),
        ({"decided_by": "x" * 65}, "decided_by"),
        ({"labels": ["label"] * 51}, "labels"),
        ({"labels": ["x" * 65]}, "labels.0"),
        ({"approved": True}, "approved"),
    ],
)
def test_a_decision_has_bounds(changed: dict[str, Any], field: str) -> None:
    """A decision that is larger than a decision can be, or that has fields of its own, is none at all."""
    with pytest.raises(pydantic.ValidationError) as caught:
        HijackedDecider(**changed).decide(report())
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == field


def test_what_breaks_the_bounds_ends_before_anything_is_planned(house: House) -> None:
    """A decider that returns what is no decision makes a dead run with its reason, and no call is even planned."""
    story = house.file(HijackedDecider(title="x" * 501))
    assert (story.run.status, story.effects, story.decision) == (Status.DEAD, [], None)
    assert "title" in str(story.run.reason)
    assert house.writes == {"github": 0, "slack": 0, "radicale": 0}


def test_the_hijacker_asks_for_what_it_says() -> None:
    """The fake asks for each of the things that the tests above find refused."""
    decision = HijackedDecider().decide(report())
    assert isinstance(decision, Decision) and all(isinstance(one, FollowUp) for one in decision.follow_ups)
    assert [one.kind for one in decision.follow_ups[:2]] == ["calendar.block", "refund"]
    assert len(decision.follow_ups) == 22
    assert list(alive("slack", decision.title)) and list(alive("github", decision.title, (r"<!--",)))
    assert IN_KIND["slack"]
