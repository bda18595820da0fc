"""What is peculiar to Azure DevOps: a page to sign in instead of a 401, JSON Patch, queries by a part of the key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.scene import Scene, renewed
from tests.tools.subjects.azure_devops import Subject
from triage import clock
from triage.errors import NotSent, OutcomeUnknown
from triage.testing.proxy import Answer
from triage.testing.twins.azure_devops import CUSTOM, TAGS, TEXT, Item
from triage.tools import marker
from triage.tools.trackers.common import UNMARKED


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    """Azure DevOps as if just started."""
    with Subject(tmp_path) as subject:
        yield subject


@pytest.fixture
def scene(subject: Subject) -> Scene:
    """A fresh key."""
    return Scene.open(subject)


def test_page_to_sign_in_is_no_success(subject: Subject, scene: Scene) -> None:
    """A token that has expired is answered with status 203 and a page: nothing was done, and nothing was learned."""
    expired = subject.opened(token="expired-token")  # noqa: S106 - opens nothing
    for ask in (expired.send, expired.find):
        with pytest.raises(NotSent, match="asks to sign in"):
            ask(scene.request())


def test_only_the_way_to_sign_in_is_a_harmless_redirect(scene: Scene) -> None:
    """A redirect to sign in means that nothing was done, any other one proves nothing."""
    scene.broken(Answer(302, b"", {"location": "https://spsprodweu1.vssps.test/_signin?realm=dev"}))
    scene.fails(scene.request(), NotSent)
    scene.broken(Answer(302, b"", {"location": "/elsewhere"}))
    scene.fails(scene.request(), OutcomeUnknown)


def test_tag_alone_proves_nothing(subject: Subject, scene: Scene) -> None:
    """A work item with our tag, but without the whole key, is neither ours nor a proof that ours is absent."""
    request = scene.request()
    scene.send(request)
    subject.twin.items[-1].fields[TEXT] = "rewritten by a person"
    with pytest.raises(NotSent, match="not with our key"):
        scene.tool.find(renewed(request))


def test_query_that_finds_everything_proves_nothing(subject: Subject, scene: Scene) -> None:
    """A query that ignores its clause is no proof of absence, and the preflight says so."""
    subject.twin.filters = False
    with pytest.raises(NotSent):
        scene.tool.find(scene.request())
    assert [finding.part for finding in subject.tool.preflight(clock.now() + 5) if not finding.good] == ["look-up"]


def test_oldest_of_copies_is_ours(subject: Subject, scene: Scene) -> None:
    """Of several work items with our key, as people copy them, the first is taken."""
    request = scene.request()
    sent = scene.send(request)
    ours = subject.twin.items[-1]
    subject.twin.items.append(Item(len(subject.twin.items) + 1, dict(ours.fields), ours.key))
    assert scene.tool.find(renewed(request)) == sent


def test_key_in_a_field_of_ones_own(subject: Subject, scene: Scene) -> None:
    """With a field for the whole key no tag is made for each ticket, and the text may be rewritten."""
    tool = subject.opened(marker_field=CUSTOM)
    request = scene.request()
    sent = tool.send(request)
    item = subject.twin.items[-1]
    assert marker.label(scene.key) not in item.fields[TAGS] and tool.dropped(renewed(request), sent) == ()
    item.fields[TEXT] = "rewritten"
    assert tool.find(renewed(request)) == sent
    assert all(finding.good for finding in tool.preflight(clock.now() + 5))


def test_lost_tag_is_told(subject: Subject, scene: Scene) -> None:
    """A tag that was not kept is told, as a query could not find the work item again."""
    request = scene.request()
    sent = scene.send(request)
    subject.twin.items[-1].fields[TAGS] = "triage-bot; ui; bug"
    assert scene.tool.dropped(renewed(request), sent) == (UNMARKED,)


def test_label_with_a_separator_stays_one(subject: Subject, scene: Scene) -> None:
    """A label that would become two tags is left out and named."""
    request = scene.request({**scene.subject.content, "labels": ["ui; admin"]})
    assert scene.tool.dropped(renewed(request), scene.send(request)) == ("label 'ui; admin' was left out",)
    assert "admin" not in subject.twin.items[-1].tags


def test_type_without_the_fields_is_told(subject: Subject) -> None:
    """A field that the type does not have is named before the first ticket is refused for it."""
    tool = subject.opened(text_field="System.Nothing")
    bad = [finding.found for finding in tool.preflight(clock.now() + 5) if not finding.good]
    assert bad == ["Bug has not the fields System.Nothing"]
