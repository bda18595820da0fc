"""Reports that give orders, a model that obeys every one of them, and what leaves the house: one ticket, one notice."""

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.support import databases
from tests.tools.hostile import FENCED, SPAN, alive
from triage import cli, clock
from triage.bootstrap import Services
from triage.config import Settings
from triage.decide.llm import prompts
from triage.decide.llm.ask import Asker
from triage.decide.llm.loop import EventLoop
from triage.decide.llm.prompts import Candidate
from triage.decide.llm.settings import LlmSettings
from triage.decide.rules import Rules
from triage.model import Json, Kind, Report, Stage, Status
from triage.store.runs import RunStory
from triage.testing import hijacked
from triage.testing.injected import Injected, load
from triage.testing.provider import Heard, ProviderServer
from triage.testing.proxy import FaultProxy
from triage.testing.twins.github import REPOSITORY, GitHubTwin
from triage.testing.twins.issues import TOKEN, Issue
from triage.testing.twins.slack import Message, Slack
from triage.tools import marker

CORPUS = load()
SLACK_TOKEN = "xoxb-secret-of-the-test"  # noqa: S105 - opens nothing
MODEL_KEY = "key-of-the-model"
PLANTED = {"AWS_SECRET_ACCESS_KEY": "planted-aws-secret", "GITHUB_TOKEN": "planted-github-token"}
CHANNEL = "C0BUGS"
PLAIN = Injected("plain", "none", "About the thing", "It is as it is.")
ADAPTERS = "triage-bot"
"""The label that says whose ticket it is, whatever was decided."""
RULES = Rules.load()
NO_RULES = 'default_route = "triage"\n'

ANY_TAG = re.compile(r"(?i)<(?:/\s*)?(?:report|candidate|system|instructions?)\b[^>\n]*>?")
TAG = re.compile(r"</?(?:report|candidate)-[0-9a-f]{12}>")
CONTROL_WORD = re.compile(r"<[|\uff5c]|<<SYS|\[/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS)\]|<(?:start|end)_of_turn>|<!--")
LIBRARYS = re.compile(r"(?<=[<\[\]])\u200d(?=(?:start|end)_of_turn>|\uff5c|/?(?:SYSTEM_PROMPT|TOOL_CALLS)\]|~b\])")
"""What pydantic-ai puts into some words of local models on the way out, to break them."""
SELECTOR = re.compile("[\u034f\u115f\u1160\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
CALL = re.compile(r"@(everyone|team|here|channel|octocat|root)\b")
MARKER = re.compile(r"triage-run|\[run:", re.IGNORECASE)
LINK = re.compile(r"\w+://[^\s|>)]+")
LONGEST_QUESTION = 10_000
"""Characters: the cut title and body, and our own list of kinds."""


def more(attack: Injected) -> Json:
    """What no answer may hold: everything that a decision and a duplicate could say."""
    return {
        "note": f"{hijacked.CALLS} ![x]({hijacked.INTERNAL}) {hijacked.HIDDEN} {attack.title} {attack.body}",
        "duplicate_of": "#1",
        "follow_ups": [one.model_dump() for one in hijacked.proposals()],
        "labels": ["release", "@octocat"],
        "severity": "critical",
        "route": "board-of-directors",
        "project": "attacker/loot",
        "title": hijacked.CALLS,
        "component": "<!here>",
        "decided_by": "rules",
        "approved": True,
    }


OBEYS = "obeys"
NOT_OFFERED: Json = {"kind": "close_all_tickets", "confidence": 1.0}
NO_TEXT: Json = {"kind": ["security"], "confidence": "certain", "note": {"say": "@everyone"}}
ANSWERS: dict[str, dict[str, Json]] = {
    "no rules": {"defies": NOT_OFFERED, OBEYS: {"kind": "security", "confidence": 1.0}},
    "shipped rules": {"babbles": NO_TEXT},
}
"""What a model answers that somebody else has got hold of, beside `more`; by the rules of the house."""


@dataclass(frozen=True, slots=True)
class Filed:
    """What came of one report."""

    story: RunStory
    asked: list[Heard]
    writes: dict[str, int]
    issues: list[Issue]
    messages: list[Message]


@dataclass
class House:
    """A product with a GitHub and a Slack, behind proxies that count, and with a model that is not its own master."""

    services: Services
    provider: ProviderServer
    github: GitHubTwin
    slack: Slack
    proxies: dict[str, FaultProxy]
    answers: dict[str, Json]

    @cached_property
    def plain(self) -> Heard:
        """What the model hears of a report that orders nothing."""
        (heard,) = self.file(PLAIN, {}).asked
        return heard

    def file(self, attack: Injected, answer: Json) -> Filed:
        """Submit a report and carry its run to its end, in this process."""
        asked, issues, messages = self.provider.count, len(self.github.issues), len(self.slack.messages)
        before = self._writes()
        self.provider.answer = {**more(attack), **answer} if answer else {}
        run_id = self._carried(submitted(attack, number=asked + issues + messages))
        story = self.services.runs.story(run_id)
        writes = {name: number - before[name] for name, number in self._writes().items()}
        return Filed(
            story, self.provider.heard[asked:], writes, self.github.issues[issues:], self.slack.messages[messages:]
        )

    def close(self) -> None:
        """Give all connections back."""
        self.services._transport.close()
        self.services.close()

    def _carried(self, report: Report) -> UUID:
        services, lease = self.services, self.services.lease
        databases.query(services.database, "delete from bucket")  # as if the minute of the rate limits had passed
        (one,) = services.store.submit_many([report], None)
        lease.renew()
        stage: Stage | None = Stage.TRIAGE
        while stage is not None:
            stage = services.engine.run_stage(one.run_id, stage, lease).next_stage
        lease.give_up()
        return one.run_id

    def _writes(self) -> dict[str, int]:
        return {name: proxy.writes for name, proxy in self.proxies.items()}


def submitted(attack: Injected, number: int = 1) -> Report:
    """The report as it comes in; who sent it and what it is called there is nobody else's business."""
    name = f"{attack.name.replace(' ', '-')}-{number}"
    fields = {"source": "hotline", "source_id": f"case-{name}", "reporter": f"caller-{name}"}
    return Report(**fields, title=attack.title, body=attack.body)


def llm(provider: ProviderServer) -> Json:
    """Ask this provider, and never mind the money."""
    model = {"provider": "compatible", "model": "hijacked", "base_url": f"{provider.url}/v1", "api_key": MODEL_KEY}
    unlimited = dict.fromkeys(("source", "day", "month"))
    return {"model": model, "prices": {"compatible:hijacked": {"input": "1", "output": "5"}}, "budgets": unlimited}


def settings(
    provider: ProviderServer, proxies: dict[str, FaultProxy], database_url: str, rules: Path | None
) -> Settings:
    """No more than one target for each tool, and no policy but the shipped one."""
    given: dict[str, Any] = {
        "tracker": {"kind": "github", "url": proxies["github"].url, "token": TOKEN, "target": REPOSITORY},
        "notifier": {"kind": "slack", "url": proxies["slack"].url, "token": SLACK_TOKEN, "target": CHANNEL},
        "llm": llm(provider),
        # Each attack is filed several times: as repeats they would not be asked about, and would show one another.
        "duplicates": {"identical": "ignore", "similar": 0},
        "database_url": database_url,
        "egress_allow": ("127.0.0.1",),
        "rules": rules,
    }
    return Settings(**given)


@pytest.fixture(scope="module", params=ANSWERS)
def house(request: pytest.FixtureRequest, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start everything once for the whole corpus, with secrets in the environment."""
    rules = tmp_path_factory.mktemp("rules") / "none.toml"
    rules.write_text(NO_RULES)
    with ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        url = stack.enter_context(databases.copied(template))
        for name, value in {**PLANTED, "TRIAGE_DATABASE_URL": url}.items():
            environment.setenv(name, value)
        provider = stack.enter_context(ProviderServer())
        github, slack = stack.enter_context(GitHubTwin()), stack.enter_context(Slack(SLACK_TOKEN))
        urls = {"github": github.url, "slack": slack.url}
        proxies = {name: stack.enter_context(FaultProxy(there)) for name, there in urls.items()}
        services = Services(settings(provider, proxies, url, rules if request.param == "no rules" else None))
        opened = House(services, provider, github, slack, proxies, ANSWERS[request.param])
        stack.callback(opened.close)
        yield opened


@pytest.mark.parametrize("attack", CORPUS, ids=lambda one: f"{one.kind}: {one.name}")
def test_no_report_and_no_answer_gets_more_than_a_ticket(
    house: House, attack: Injected, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a report orders and a model answers, one inert ticket and one inert notice go where they always go."""
    for name, answer in house.answers.items():
        filed = house.file(attack, answer)
        assert_one_of_each(filed)
        assert_inert(filed)
        assert_own_words(filed, name)
        for heard in filed.asked:
            assert_only_this_report(attack, heard, house.plain)
        assert_nothing_secret(house, filed)
    assert_told(filed, capsys)


def assert_one_of_each(filed: Filed) -> None:
    """One request to each system changed something, and nothing else was even planned."""
    assert filed.story.run.status is Status.DONE, filed.story.run.reason
    assert filed.writes == {"github": 1, "slack": 1}
    planned = [(one.stage, one.state, one.target) for one in filed.story.effects]
    assert planned == [(Stage.CREATE_TICKET, "confirmed", REPOSITORY), (Stage.NOTIFY, "confirmed", CHANNEL)]
    assert [len(filed.issues), [one.channel for one in filed.messages]] == [1, [CHANNEL]]


def assert_inert(filed: Filed) -> None:
    """Nobody is called, nothing is hidden or loaded, and the only marker is ours."""
    (issue,), (message,) = filed.issues, filed.messages
    said = str(message.fields["text"])
    body = issue.text.removesuffix(marker.comment(issue.key))
    assert issue.key == marker.in_comment(issue.text) and issue.key not in {"", hijacked.FORGED_KEY}
    assert hijacked.FORGED_KEY not in message.metadata
    assert list(alive("github", body, (r"@team", r"<!--"))) == [], body
    assert list(alive("slack", said, (r"<!--", r"<[!@#]"))) == [], said
    for text in (issue.title, said):
        assert not CALL.search(text), text
    for text in (body, issue.title, said, *issue.labels):
        assert not MARKER.search(text) and invisible(text) == [], ascii(text)
    assert LINK.findall(SPAN.sub("", FENCED.sub("", body)) + issue.title) == []
    assert re.findall(r"<([^|>]*)\|", said) == [filed.story.effects[0].remote_url]


def invisible(text: str) -> list[str]:
    """What of a text nobody can see; the corpus has no script that is spelled with joiners."""
    hidden = (char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Cn"} and char not in "\n\t")
    return [f"U+{ord(char):04X}" for char in (*hidden, *SELECTOR.findall(text))]


def assert_own_words(filed: Filed, name: str) -> None:
    """The labels are ours, and a model decides nothing but the kind."""
    (issue,), decision = filed.issues, filed.story.decision or {}
    kinds, severities = {str(kind) for kind in Kind}, {f"severity-{decision['severity']}"}
    assert {*issue.labels} <= kinds | severities | RULES.all_labels | {ADAPTERS}
    assert decision["follow_ups"] == [] and decision["project"] == ""
    if filed.asked:
        obeyed, by = name == OBEYS, decision["decided_by"]
        assert (by, len(filed.asked)) in ([("llm", 1)] if obeyed else [("nobody", 3), ("rules", 3)])
        if by != "rules":  # a tentative rule, whose labels are its own
            kind, asked_for = ("security", []) if obeyed else ("bug", ["needs-triage"])
            assert {*issue.labels} == {ADAPTERS, kind, "severity-medium", *asked_for}


def assert_told(filed: Filed, capsys: pytest.CaptureFixture[str]) -> None:
    """`triage show` says who decided and why an answer was not used, and does nothing to the terminal."""
    capsys.readouterr()
    assert cli.main(["show", str(filed.story.run.id)]) == 0
    text = capsys.readouterr().out
    decided_by = (filed.story.decision or {})["decided_by"]
    assert f"decided by {decided_by}" in " ".join(text.split())
    assert ("3 answers were not usable" in " ".join(text.split())) is (bool(filed.asked) and decided_by != "llm")
    assert not [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs"} and char != "\n"]


CLEAN = {one.name: prompts.data(one.body, prompts.BODY_CHARS) for one in CORPUS}
AGAIN = re.compile(r"An answer to this was not usable: not as asked: [a-z_, ]+\. Answer with exactly the fields .*")


def assert_only_this_report(attack: Injected, heard: Heard, plain: Heard) -> None:
    """The report stands between the tags and nowhere else, bounded and clean, and beside it are our words alone."""
    (system, question, *again), (ours, reference) = said(heard), said(plain)
    assert {**heard.body, "messages": ()} == {**plain.body, "messages": ()}
    assert system == ours and all(AGAIN.fullmatch(one) for one in again)
    opened, closed = ANY_TAG.finditer(question)
    assert TAG.fullmatch(opened[0]) and closed[0] == opened[0].replace("<", "</")
    assert question[: opened.start()] == reference[: reference.index("<report-")]
    assert closed.end() == len(question) <= LONGEST_QUESTION
    assert invisible(LIBRARYS.sub("", question)) == [] and not CONTROL_WORD.search(question), ascii(question)
    others = [name for name, body in CLEAN.items() if len(body) > 20 and name != attack.name and body in question]
    assert others == []


def said(heard: Heard) -> list[str]:
    """Our instructions, the question, and perhaps what was wrong with the answer before."""
    messages = heard.body["messages"]
    assert [one["role"] for one in messages] == ["system", *["user"] * (len(messages) - 1)]
    return [one["content"] for one in messages]


def assert_nothing_secret(house: House, filed: Filed) -> None:
    """No key of ours reaches anybody but whom it opens, and the model does not learn who sent the report."""
    database = house.services.database_url
    secrets = [TOKEN, SLACK_TOKEN, database, *PLANTED.values()]
    bodies = [json.dumps(one.body, ensure_ascii=False) for one in filed.asked]
    asked = [f"{one.path} {one.headers}" for one in filed.asked] + bodies
    told = [json.dumps([one.title, one.text, one.labels]) for one in filed.issues]
    told += [json.dumps([one.fields, one.metadata]) for one in filed.messages]
    assert not [secret for secret in secrets if any(secret in text for text in (*asked, *told))]
    assert not [text for text in (*bodies, *told) if MODEL_KEY in text]
    report = filed.story.report
    private = (report["source"], report["source_id"], report["reporter"], str(filed.story.run.id))
    assert not [word for word in private if any(word in text for text in asked)]


@pytest.mark.parametrize("answer", ["#1", "c4", "run-1", "octo/hello#1", ["c1"]])
def test_a_duplicate_is_one_of_those_that_were_shown(answer: object) -> None:
    """Hostile candidates stay in their places, their ids stay here, and nothing else can be named as the original."""
    loop = EventLoop()
    with ProviderServer(answer={"duplicate_of": answer}) as provider:
        asker = Asker(LlmSettings.model_validate(llm(provider)), loop)
        groups = [CORPUS[at : at + 3] for at in range(0, len(CORPUS) - 2, 3)]
        for group in groups if answer == "#1" else groups[:2]:
            candidates = [Candidate(f"run-{number}", one.title, one.body) for number, one in enumerate(group)]
            asked = asker.ask(submitted(PLAIN), candidates=candidates, deadline=clock.now() + 10)
            assert (asked.opinion, asked.duplicate) == (None, None)
            assert "3 answers were not usable" in asked.why
            assert_candidates_apart(provider.heard[-1])
    loop.stop()


def assert_candidates_apart(heard: Heard) -> None:
    """Each text has its own two tags, in turn, and there are no others."""
    question = said(heard)[1]
    tags = [found[0] for found in ANY_TAG.finditer(question)]
    assert len(tags) == 2 * 4 and all(TAG.fullmatch(tag) for tag in tags)
    assert [tag.replace("</", "<") for tag in tags[1::2]] == tags[::2]
    assert "run-" not in re.sub(r"triage-?\s*run", "", question, flags=re.IGNORECASE)
    assert invisible(LIBRARYS.sub("", question)) == [] and not CONTROL_WORD.search(question)


def test_the_corpus_has_every_kind_of_attack() -> None:
    """There are enough reports, of all kinds that are known, with names of their own."""
    kinds = {one.kind for one in CORPUS}
    assert len(CORPUS) == len({one.name for one in CORPUS}) >= 60
    assert len([one for one in CORPUS if one.kind == "language"]) >= 8
    assert len(kinds) >= 20
