"""What is peculiar to Jira: a label and a property, an index that lags or is empty, and a look by number after it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.tools.scene import fresh_key, renewed, says
from tests.tools.subjects import jira_cloud, jira_dc
from tests.tools.subjects.jira_cloud import JiraBase
from triage import clock
from triage.errors import NotSent, Refused
from triage.model import Finding, Request
from triage.tools.trackers.jira import Jira

EDITIONS = {"cloud": jira_cloud.Subject, "dc": jira_dc.Subject}
A_DAY = 86_400.0
LAG = 3_600.0


@pytest.fixture(params=EDITIONS)
def jira(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JiraBase]:
    """An empty Jira of each edition, whose time passes as ours does."""
    with EDITIONS[request.param](tmp_path) as subject:
        subject.twin.pace = 1.0
        yield subject


def asked(jira: JiraBase) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), jira.target, jira.content, 0.0))


def findings(tool: Jira) -> list[Finding]:
    """The bad ones."""
    return [finding for finding in tool.preflight(clock.now() + 10) if not finding.good]


def reads(jira: JiraBase) -> int:
    """How many requests were no writes."""
    return sum(not exchange.write for exchange in jira.proxy.requests)


def test_found_by_number_while_the_index_lags(jira: JiraBase) -> None:
    """An issue that no search shows yet is found behind the highest number that was settled."""
    for _ in range(30):
        jira.twin.add("OPS", older=A_DAY)
    request = asked(jira)
    sent = jira.tool.send(request)
    jira.twin.index_lag = LAG
    jira.proxy.reset()
    assert jira.tool.find(renewed(request)) == sent
    assert reads(jira) <= 2 + jira.tool.AT_ONCE * 2


def test_found_while_the_index_is_rebuilt(jira: JiraBase) -> None:
    """An index that answers nothing at all is no proof that the issue is absent."""
    request = asked(jira)
    sent = jira.tool.send(request)
    jira.twin.reindexing = True
    assert jira.tool.find(renewed(request)) == sent


def test_absent_with_and_without_an_index(jira: JiraBase) -> None:
    """What does not exist is absent, whatever the index says."""
    for older in (A_DAY, 0.0):
        jira.twin.add("OPS", older=older)
    assert jira.tool.find(asked(jira)) is None
    jira.twin.reindexing = True
    assert jira.tool.find(asked(jira)) is None


def test_an_old_issue_with_a_high_number_does_not_hide_ours(jira: JiraBase) -> None:
    """An issue that was moved in lately has a number above ours, but an old date; the start stays below both."""
    for _ in range(5):
        jira.twin.add("OPS", older=2 * A_DAY)
    request = asked(jira)
    sent = jira.tool.send(request)
    jira.twin.add("OPS", older=A_DAY)
    jira.twin.index_lag = LAG
    assert jira.tool.find(renewed(request)) == sent


def test_nobody_sees_nothing(jira: JiraBase) -> None:
    """With a token that is not valid any more, empty answers do not mean that the issue is absent."""
    jira.twin.public = True
    request = asked(jira)
    jira.tool.send(request)
    with pytest.raises(NotSent, match="401"):
        jira.imposter().find(renewed(request))


def test_too_many_new_issues_prove_nothing(jira: JiraBase) -> None:
    """Where more issues were made lately than are read, nothing is said about ours."""
    for _ in range(jira.tool.FURTHEST + 1):
        jira.twin.add("OPS")
    with pytest.raises(NotSent, match="too many to look through"):
        jira.tool.find(asked(jira))


def test_our_label_without_our_key_proves_nothing(jira: JiraBase) -> None:
    """A clone has our label and not our property: alone it is neither ours nor a proof that there is none."""
    request = asked(jira)
    clone = jira.twin.add("OPS", labels=[f"triage-run-{request.key[:16]}"])
    jira.twin.index_lag = 0.0
    with pytest.raises(NotSent, match=f"{clone} carries our label, but not our key"):
        jira.tool.find(request)
    sent = jira.tool.send(request)
    assert jira.tool.find(renewed(request)) == sent


def test_a_search_without_properties_is_read_again(jira: JiraBase) -> None:
    """A hit whose property the search left out is read from the database before it is judged."""
    jira.twin.properties_in_search = False
    jira.twin.index_lag = 0.0
    request = asked(jira)
    sent = jira.tool.send(request)
    assert jira.tool.find(renewed(request)) == sent
    assert [hit.key for hit in jira.tool.marked(datetime.now(UTC) - timedelta(hours=1), clock.now() + 10)] == [
        request.key
    ]


def test_the_sweep_reads_all_pages(jira: JiraBase) -> None:
    """Our issues of the time asked for are listed, beyond the first page and without those of others."""
    jira.twin.index_lag = 0.0
    keys = [fresh_key() for _ in range(105)]
    for key in keys:
        jira.tool.send(replace(asked(jira), key=key))
    jira.twin.add("OPS")
    jira.twin.age("OPS-1", A_DAY)
    hits = list(jira.tool.marked(datetime.now(UTC) - timedelta(hours=1), clock.now() + 10))
    assert sorted(hit.key for hit in hits) == sorted(keys[1:])


def test_without_the_field_labels_nothing_is_made(jira: JiraBase) -> None:
    """A create screen without labels refuses the issue by the field's name, and the preflight says how to mend it."""
    jira.twin.label_field = False
    request = asked(jira)
    with pytest.raises(Refused, match=r"in OPS: labels: Field 'labels' cannot be set"):
        jira.tool.send(request)
    assert jira.twin.objects(request.key) == []
    assert [(one.part, "create screen" in one.mend) for one in findings(jira.tool)] == [("marker in OPS", True)]


def test_missing_rights_are_named(jira: JiraBase) -> None:
    """The preflight names the right that our account lacks."""
    jira.twin.hidden_rights = {"CREATE_ISSUES"}
    assert [one.found for one in findings(jira.tool)] == ["our account lacks CREATE_ISSUES in OPS"]


def test_every_refused_field_is_named(jira: JiraBase) -> None:
    """Jira's errors arrive field by field."""
    request = replace(asked(jira), target="GONE", content={**jira.content, "component": "nowhere"})
    with pytest.raises(Refused) as refused:
        jira.tool.send(request)
    assert "project: valid project is required" in str(refused.value)
    assert "components: Component name 'nowhere' is not valid" in str(refused.value)


def test_labels_cannot_pass_for_a_marker(jira: JiraBase) -> None:
    """A report's label that looks like a marker is left out, and spaces become hyphens."""
    content = {**jira.content, "labels": ["triage-run-0123456789abcdef", "Triage-Run-0123456789ABCDEF", "data loss"]}
    request = replace(asked(jira), content=content)
    fields = json.loads(jira.tool.render(request))["fields"]
    assert fields["labels"] == [f"triage-run-{request.key[:16]}", "data-loss"]


def test_busy_look_ups_say_when_to_come_again(jira: JiraBase) -> None:
    """A 503 with a Retry-After to a look-up carries the wait."""
    jira.proxy.script(says(503, {"retry-after": "7"}), reads=True)
    with pytest.raises(NotSent) as error:
        jira.tool.find(asked(jira))
    assert error.value.retry_after == timedelta(seconds=7)


def test_times_and_secrets() -> None:
    """The quarantine is ten minutes unless set otherwise, and settings show no token."""
    settings = jira_dc.jira_dc.Settings(url="https://jira.test", token="very-secret")  # noqa: S106 - of no account
    assert settings.quarantine == timedelta(minutes=10)
    assert "very-secret" not in repr(settings)


def test_links_lead_to_where_people_read() -> None:
    """Where the API has an address of its own, links use the site's."""
    with jira_cloud.Subject(Path()) as jira:
        tool = jira.opened(site="https://example.atlassian.net")
        assert tool.send(asked(jira)).remote_url == "https://example.atlassian.net/browse/OPS-1"
