"""A comment in place of a second ticket: one, whatever happens on the way, and a ticket where it cannot be made."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support import waiting
from tests.support.databases import query, value
from tests.support.scripted import Answer, PlainDecider, ScriptedTool, let_pass
from tests.support.site import Site, report
from triage import retry
from triage.bootstrap import Services
from triage.config import Settings
from triage.engine import Engine
from triage.model import Claim, Decision, EffectState, Related, Report, Stage, Status, ToolClass
from triage.ports import Tool
from triage.store.postgres import PostgresStore
from triage.store.runs import EffectView, Runs, RunStory
from triage.testing import Controls
from triage.testing.proxy import FaultProxy
from triage.testing.twins.github import REPOSITORY, GitHubTwin
from triage.testing.twins.issues import TOKEN

TELLING = "Since the upgrade to 4.2 every order that is saved twice within one second is lost, without a word."
CAREFUL = 'name = "careful"\n[approval]\npurposes = ["tickets"]\n'
PLENTY = 600.0
"""Seconds, longer than any quarantine here."""


@dataclass
class Repeating(PlainDecider):
    """Takes every report for a repeat of this ticket's."""

    same_as: Related | None = None

    def decide(self, report: Report, claim: Claim) -> Decision:
        """As it was told."""
        return super().decide(report, claim).model_copy(update={"same_as": self.same_as})


@dataclass
class House:
    """A product in this process with a GitHub behind a proxy."""

    services: Services
    twin: GitHubTwin
    proxy: FaultProxy
    stack: ExitStack
    attempts: int = 20
    decider: Repeating = field(default_factory=Repeating)
    others: dict[str, Tool] = field(default_factory=dict)

    def again(self, **changed: Any) -> "House":
        """Another process of it, with other settings."""
        services = Services(self.services.settings.model_copy(update=changed))
        self.stack.callback(services.close)
        self.stack.callback(services._transport.close)
        return House(services, self.twin, self.proxy, self.stack, self.attempts, self.decider)

    def file(self, **fields: object) -> UUID:
        """Submit a report, and carry its run as far as it goes at once."""
        (submitted,) = self.services.store.submit_many([report(**fields)], None)
        self.carry(submitted.run_id, Stage.TRIAGE)
        return submitted.run_id

    def carry(self, run_id: UUID, stage: Stage | None = Stage.CREATE_TICKET) -> None:
        """Go on with it, from this stage; `others` take the place of tools."""
        tools, lease, policy = self.services.toolset, self.services.lease, retry.Policy(attempts=self.attempts)
        engine = Engine(self.services.store, self.decider, tools.guarded | self.others, tools.outlets, policy=policy)
        lease.renew()
        while stage is not None:
            stage = engine.run_stage(run_id, stage, lease).next_stage
        lease.give_up()

    def wait(self, run_id: UUID) -> None:
        """Let the quarantine pass."""
        let_pass(self.services.database, run_id, PLENTY)

    def story(self, run_id: UUID) -> RunStory:
        """All that is known of it."""
        return self.services.runs.story(run_id)

    def original(self, **changed: Any) -> UUID:
        """File a ticket, and from now on take every report for the same; the ticket's run."""
        run_id = self.file()
        ticket = self.calls(run_id)[0]
        named = {"tool": ticket.tool, "target": ticket.target, "ticket": ticket.remote_id, "url": ticket.remote_url}
        about = {"run_id": run_id, "title": "Save crashes", "likeness": 1.0, "why": "trace"}
        self.decider.same_as = Related.model_validate({**named, **about, **changed})
        return run_id

    def calls(self, run_id: UUID) -> list[EffectView]:
        """What it did for a ticket."""
        return [effect for effect in self.story(run_id).effects if effect.stage is Stage.CREATE_TICKET]

    def notice(self, run_id: UUID) -> dict[str, Any]:
        """What people were told."""
        return next(effect.content for effect in self.story(run_id).effects if effect.stage is Stage.NOTIFY)

    @property
    def tickets(self) -> int:
        """How many issues we made."""
        return len(self.twin.issues) - 2  # the twin begins with two


Opened = Callable[..., House]


@pytest.fixture
def house(database_url: str) -> Iterator[Opened]:
    """Open one with other settings."""
    with ExitStack() as stack:

        def opened(**changed: Any) -> House:
            twin = stack.enter_context(GitHubTwin())
            proxy = stack.enter_context(FaultProxy(twin.url))
            github = {"kind": "github", "url": proxy.url, "token": TOKEN, "target": REPOSITORY, "quarantine": 5}
            tracker = {"target": REPOSITORY, **changed.pop("tracker", github)}
            told = {"kind": "local", "target": "team"}
            given: dict[str, Any] = {"database_url": database_url, "tracker": tracker, "notifier": told, **changed}
            services = Services(Settings(**given, egress_allow=("127.0.0.1",)))
            stack.callback(services.close)
            stack.callback(services._transport.close)
            return House(services, twin, proxy, stack)

        yield opened


def states(calls: list[EffectView]) -> list[tuple[str, str, str]]:
    """Tool, target and state of each."""
    return [(one.tool, one.target, one.state) for one in calls]


def test_a_report_in_the_same_words_becomes_a_comment(site: Site) -> None:
    """With real workers the second report of two that say the same makes one comment, and no second ticket."""
    site.settings["TRIAGE_DUPLICATES__IDENTICAL"] = "comment"
    site.ready_worker()
    store, said = PostgresStore(site.database), {"title": "Saving an order fails", "body": TELLING}
    runs = []
    for source in ("shop", "crm"):
        (made,) = store.submit_many([report(source, **said)], None)
        site.wait([made.run_id])
        runs.append(made.run_id)
    counts = [value(site.database, f"select count(*) from local_{what}") for what in ("ticket", "comment", "notice")]  # noqa: S608
    assert counts == [1, 1, 2], site.tails()
    assert [Runs(site.database).get(run_id).ticket for run_id in runs] == ["T-1", "T-1#C-1"]
    (told,) = query(
        site.database, "select content from local_notice where content ->> 'text' like '%%Reported again%%'"
    )
    assert told.content["link"] == "T-1"


def test_one_comment_and_no_ticket(house: Opened) -> None:
    """The comment says where the report came from again; the notice links the ticket that is there."""
    home = house()
    home.original()
    run_id = home.file(source="crm", reporter="Ann", body="It broke again.")
    assert home.story(run_id).run.status is Status.DONE
    assert states(home.calls(run_id)) == [("github-comment", f"{REPOSITORY}#3", EffectState.CONFIRMED)]
    (comment,) = home.twin.comments
    assert (home.tickets, comment.issue, comment.key) == (1, 3, _key(home, run_id))
    assert all(words in comment.text for words in ("Reported again", "`crm`", "`Ann`", "It broke again."))
    assert home.notice(run_id)["link"] == f"https://github.test/{REPOSITORY}/issues/3"
    assert home.notice(run_id)["text"].startswith("[low] bug: Reported again: ")


def test_a_lost_answer_makes_no_second_comment(house: Opened) -> None:
    """After a lost answer the comment is looked for on its ticket, and found."""
    home = house()
    home.original()
    home.proxy.script("commit_then_drop")
    run_id = home.file()
    assert home.calls(run_id)[0].state == EffectState.UNKNOWN
    home.wait(run_id)
    home.carry(run_id)
    assert home.story(run_id).run.status is Status.DONE
    assert (len(home.twin.comments), home.tickets, home.calls(run_id)[0].state) == (1, 1, EffectState.CONFIRMED)


@pytest.mark.parametrize("how", ["deleted", "locked"])
def test_a_ticket_that_takes_no_comment_is_replaced(house: Opened, how: str) -> None:
    """Where the ticket was deleted or locked meanwhile, the run files its own, which its notice links."""
    home = house()
    home.original()
    (home.twin.gone if how == "deleted" else home.twin.locked).add(3)
    run_id = home.file()
    assert home.story(run_id).run.status is Status.DONE
    comment = ("github-comment", f"{REPOSITORY}#3", EffectState.REFUSED)
    assert states(home.calls(run_id)) == [comment, ("github-tracker", REPOSITORY, EffectState.CONFIRMED)]
    assert (home.twin.comments, home.tickets) == ([], 2)
    assert home.notice(run_id)["link"] == home.story(run_id).run.ticket == f"https://github.test/{REPOSITORY}/issues/4"
    assert "again" not in home.notice(run_id)["text"]


def test_a_comment_that_was_never_made_and_is_refused_then_is_replaced(house: Opened) -> None:
    """A comment that is absent twice after a lost call was never made: when it is refused then, a ticket is filed."""
    home = house()
    home.original()
    home.proxy.script("500_before", "refuse")
    run_id = home.file()
    for _ in range(3):  # absent, absent a quarantine later, and sent again
        assert (home.calls(run_id)[0].state, home.tickets) != (EffectState.REFUSED, 2)
        home.wait(run_id)
        home.carry(run_id)
    assert (home.story(run_id).run.status, home.twin.comments, home.tickets) == (Status.DONE, [], 2)


def test_a_ticket_deleted_in_doubt_waits_for_a_person(house: Opened) -> None:
    """Where a comment may have been made before its ticket was deleted, no ticket is filed until a person looked."""
    home = house()
    home.original()
    home.attempts = 2
    home.proxy.script("commit_then_drop")
    run_id = home.file()
    home.twin.gone.add(3)
    home.wait(run_id)
    home.carry(run_id)
    held = home.story(run_id).run
    assert (held.status, home.calls(run_id)[0].state, home.tickets) == (Status.HELD, EffectState.UNKNOWN, 1)
    assert "410" in str(held.reason)
    home.services.operations("ann").resolve(run_id, None)
    home.carry(run_id)
    assert (home.story(run_id).run.status, home.tickets) == (Status.DONE, 2)


def test_a_refusal_after_a_lost_answer_files_nothing(house: Opened) -> None:
    """Where the first call of a tool with keys may have made the comment, a refusal of the second replaces nothing."""
    home = house()
    home.original()
    tool = ScriptedTool("github-comment", ToolClass.KEYED)
    home.others["github-comment"], tool.answer = tool, Answer.COMMITTED_BUT_LOST
    run_id = home.file()
    tool.answer = Answer.REFUSED
    home.wait(run_id)
    home.carry(run_id)
    assert (home.story(run_id).run.status, len(home.calls(run_id)), home.tickets) == (Status.DEAD, 1, 1)


@pytest.mark.parametrize("forged", [{"ticket": "1"}, {"run_id": uuid4()}, {"target": "octo/other"}])
def test_nobody_elses_ticket_is_commented_on(house: Opened, forged: dict[str, Any]) -> None:
    """A decision that names a ticket which no confirmed effect of that run made is refused, and a ticket filed."""
    home = house(policy=None)
    home.original(**forged)
    run_id = home.file()
    comment, ticket = home.calls(run_id)
    assert (comment.state, ticket.state) == (EffectState.REFUSED, EffectState.CONFIRMED)
    assert "no ticket that we filed (tickets.same_as)" in str(comment.error) or "allowed targets" in str(comment.error)
    assert (home.twin.comments, home.tickets) == ([], 2)


def test_leave_is_asked_for_and_used_once(house: Opened, tmp_path: Path) -> None:
    """A comment needs the leave that a ticket needs, for exactly what was shown."""
    policy = tmp_path / "policy.toml"
    policy.write_text(CAREFUL)
    home = house()
    home.original()
    careful = home.again(policy=policy)
    run_id = careful.file()
    assert (careful.story(run_id).run.status, home.twin.comments) == (Status.HELD, [])
    (one,) = careful.services.approvals.asked()
    careful.services.approvals.decide(one.id, one.digest, leave=True, by="ann")
    careful.carry(run_id)
    assert (careful.story(run_id).run.status, len(home.twin.comments)) == (Status.DONE, 1)


@pytest.mark.parametrize("name", ["github-comment", "github-tracker", "*"])
def test_the_switch_holds_comments(house: Opened, name: str) -> None:
    """Comments wait while their own tool, the tracker's, or every tool is switched off, and then go out."""
    home = house()
    home.original()
    home.services.tool_box("ann").disable(name, "maintenance")
    run_id = home.again().file()
    assert (home.story(run_id).run.waits_on, home.twin.comments) == ("switch", [])
    home.services.tool_box("ann").enable(name)
    home.wait(run_id)
    home.carry(run_id)
    assert (home.story(run_id).run.status, len(home.twin.comments)) == (Status.DONE, 1)


def test_a_dry_run_comments_nowhere(house: Opened) -> None:
    """With a tracker that only pretends, the comment is pretended too."""
    home = house()
    home.original()
    run_id = home.again(tracker=home.services.settings.tracker.model_copy(update={"dry_run": True})).file()
    assert (home.story(run_id).run.ticket, home.twin.comments, home.tickets) == ("dry-run", [], 1)


def test_the_shadow_gets_tickets_and_no_comments(house: Opened) -> None:
    """The shadow tracker has no ticket that a comment belongs to, and gets none."""
    with GitHubTwin() as other:
        shadow = {"kind": "github", "url": other.url, "token": TOKEN, "target": REPOSITORY}
        home = house(shadow_tracker=shadow)
        home.original()
        home.file()
        waiting.until(lambda: len(other.issues) == 3, 10, lambda: "the shadow's ticket did not come")
        assert (len(home.twin.comments), other.comments, len(other.issues)) == (1, [], 3)


def test_a_tracker_without_comments_gets_a_ticket(house: Opened, tools: Controls) -> None:
    """Where the kind of tracker takes no comments from us a ticket is filed, and the decision says nothing else."""
    home = house(tracker={"kind": "webhook", "url": tools.endpoint("keyed/tickets"), "tool_class": "keyed"})
    home.original()
    run_id = home.file()
    assert states(home.calls(run_id)) == [("webhook-tracker", REPOSITORY, EffectState.CONFIRMED)]
    assert (home.story(run_id).decision or {})["same_as"] is None


def _key(home: House, run_id: UUID) -> str:
    text = "select encode(key, 'hex') as key from effect where run_id = %s and stage = 'create_ticket'"
    return str(query(home.services.database, text, run_id)[0].key)
