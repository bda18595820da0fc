"""Links: which addresses may be sent to people, and which would lead them, or their programs, into the house."""

import pytest

from tests.unit.guarding import MONDAY, NOTICE, request
from triage.guards import links
from triage.guards.judge import Surroundings, judge
from triage.guards.policy import Policy
from triage.model import Stage

NONE: frozenset[str] = frozenset()
INTERNAL = "is an internal address, or none that everybody reads alike"


@pytest.mark.parametrize(
    "link",
    [
        "https://tracker.example.org/issues/8?x=1#y",
        "http://tracker.example.org:8080/8",
        "HTTPS://Tracker.Example.ORG/8",
        "https://tracker.example.org./8",
        "https://93.184.216.34/8",
        "https://[2606:4700::1111]/8",
        "https://xn--bcher-kva.example/8",
        "T-1",
        "PROJ-12",
        "42",
        "owner/repository#12",
        "Tracker.example.org/8",
        "93.184.216.34:8080/8",
        "$event:server",
        "dry-run",
    ],
)
def test_a_public_link_or_a_bare_id_may_be_sent(link: str) -> None:
    """Links to public hosts are fine, and so are ids of systems that have no links."""
    assert links.problem(link, NONE) == ""


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "0.0.0.0",  # noqa: S104 - not bound to
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "[::1]",
        "[2001:db8::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "db.local",
        "router.lan",
        "nas.home.arpa",
        "wiki",
        "wiki:8080",
        "%31%32%37.0.0.1",
        "\u2460\u2461\u2466.0.0.1",
        "127\u30020.0.1",
        "b\u00fccher.example",
        "",
    ],
)
def test_an_internal_host_is_refused(host: str) -> None:
    """Whatever names, or may name, a host inside the house is refused, however it is spelled."""
    assert links.problem(f"http://{host}/latest/meta-data", NONE)
    assert links.problem(f"//{host}/latest/meta-data", NONE)


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("javascript:alert(1)", "it is neither http nor https"),
        ("file:///etc/passwd", "it is neither http nor https"),
        ("ftp://tracker.example.org", "it is neither http nor https"),
        ("localhost:8080/x", "it is neither http nor https"),
        ("https://tracker.example.org\\@127.0.0.1/", "it has white space, control characters or backslashes in it"),
        ("https://127.0.0.1\\@tracker.example.org/", "it has white space, control characters or backslashes in it"),
        ("https://tracker.example.org/ x", "it has white space, control characters or backslashes in it"),
        ("java\nscript:alert(1)", "it has white space, control characters or backslashes in it"),
        ("https://tracker.example.org@evil.example/", "it has a user name in it"),
        ("///169.254.169.254", "it is neither http nor https"),
        ("https://[::1", "it is no usable address"),
        ("https:tracker.example.org", f"'' {INTERNAL}"),
        ("https:///tracker.example.org", f"'' {INTERNAL}"),
        ("169.254.169.254/latest", f"'169.254.169.254' {INTERNAL}"),
        ("metadata.google.internal", f"'metadata.google.internal' {INTERNAL}"),
    ],
)
def test_an_odd_link_is_refused(link: str, why: str) -> None:
    """Schemes that run something, and spellings that browsers read in another way than we do, are refused."""
    assert links.problem(link, NONE) == why


def test_hosts_that_are_set_may_be_named() -> None:
    """A link into a tool of our own, or to a listed host, may be sent though it is internal; its neighbour may not."""
    listed = Policy.model_validate({"name": "listed", "links": {"hosts": ["wiki"]}})
    around = Surroundings(MONDAY, frozenset({"here"}), hosts=frozenset({"10.1.2.3"}))
    for host, allowed in (("10.1.2.3", True), ("wiki", True), ("WIKI:80", True), ("10.1.2.4", False)):
        draft = request(Stage.NOTIFY, {**NOTICE, "link": f"http://{host}/8"})
        assert judge(listed, draft, around).allowed is allowed


def test_an_internal_link_is_refused_by_its_line() -> None:
    """The refusal names the list of hosts that could allow it."""
    draft = request(Stage.NOTIFY, {**NOTICE, "link": "http://169.254.169.254/latest"})
    verdict = judge(Policy.load(), draft, Surroundings(MONDAY, frozenset({"here"})))
    assert verdict.rule == "links.hosts = []"
    assert verdict.why == f"its link cannot be sent: '169.254.169.254' {INTERNAL}"
