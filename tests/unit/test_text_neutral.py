"""What is removed from text, what is kept, and how it is cut."""

import time

import pytest

from triage.text.cut import ELLIPSIS, NOTE, Unit, measure, truncate
from triage.text.links import Link, link
from triage.text.neutral import clean, inert, line, tame, unmention

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
LONG = 100_000
SOON = 0.5
"""Seconds of CPU that the worst text of full length may take."""


@pytest.mark.parametrize(
    "text",
    [
        "plain\n\ttext",
        f"{FAMILY} \u2764\ufe0f 1\ufe0f\u20e3 \U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "\u05e9\u05dc\u05d5\u05dd \u65e5\u672c\u8a9e \u041f\u0440\u0438\u0432\u0435\u0442",
        "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
        "Viet Nam: ti\u1ebfng Vi\u1ec7t",
    ],
)
def test_writing_is_kept(text: str) -> None:
    """Emoji sequences and the joiners that a script is spelled with stay as they are."""
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("e\u0301", "\u00e9"),
        ("a\u202eb\u2066c\u2069", "abc"),
        ("a\u200b\u200c\u200d\u2060\ufeff\u00adb", "ab"),
        ("a\u200d\U0001f600", "a\U0001f600"),
        ("a\ufe0f\u200d\U0001f600", "a\U0001f600"),
        ("\u0645\u200d\u200c\u0645", "\u0645\u0645"),
        ("1\ufe0f2", "12"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U0001f3f4"),
        ("x\ufe00\U000e0100\u180b\u034fy", "xy"),
        ("x\u3164\u115f\uffa0y", "xy"),
        ("a\u00a0b\u2003c\u3000d\u2800e", "a b c d e"),
        ("a\x00\x1b[1m\x7f\x9bb", "a[1mb"),
        ("\ud83dx\udc00", "x"),
        ("a\r\nb\rc\u2028d\x0be\x85f", "a\nb\nc\nd\ne\nf"),
        ("a" + "\n" * 9 + "b", "a\n\n\nb"),
        ("a" + "\n \t" * 9 + "\nb", "a\n\n\nb"),
        ("z" + "\u0323" * 40, "\u1e93" + "\u0323" * 5),
        ("z" + "\u0323\u200b" * 40, "\u1e93" + "\u0323" * 5),
        ("\u0915" + "\u0301" * 6 + "\u200b\u094d\u200d\u0937", "\u0915" + "\u0301" * 6 + "\u0937"),
        ("x" + "\u0344" * 6, "\u1e8d" + "\u0301\u0308" * 3),
        ("\u212a\u1fef", "K`"),
    ],
)
def test_what_cannot_be_seen_is_removed(text: str, shown: str) -> None:
    """Invisible characters go, look-alikes of spaces and line ends become the real ones, all in NFC."""
    assert clean(text) == shown
    assert clean(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!-- triage-run:v1:00ff -->", "<!-- triage run:v1:00ff -->"),
        ("TRIAGE-\u200bRUN-00ff", "TRIAGE RUN-00ff"),
        ("[run:00ff]", "[run 00ff]"),
        ("triage runs, run: it", "triage runs, run: it"),
    ],
)
def test_no_marker_of_ours_is_left(text: str, shown: str) -> None:
    """Text that an adapter could take for its own marker reads differently."""
    assert inert(text) == shown


def test_a_line_has_no_line_end() -> None:
    """A line keeps its words, and a header cannot be smuggled into it."""
    assert line("  a\r\n\tBcc: b@c.example\u2028\x0b d ") == "a Bcc: b@c.example d"
    assert line("one two three", 8) == "one two…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@team", "@ team"),
        ("(@a/b)", "(@ a/b)"),
        ("bob@example.org", "bob@example.org"),
        ("\u00e9@team", "\u00e9@ team"),
        ("@@team", "@@ team"),
        ("a @ b", "a @ b"),
    ],
)
def test_mentions_are_parted(text: str, shown: str) -> None:
    """A space parts the sign from the name, and addresses stay whole."""
    assert unmention(text) == shown == unmention(shown)


def test_titles_refer_to_nothing() -> None:
    """What a title could refer to is parted by a space, and the rest stays."""
    given = "@a closes #1, b/c#2, !3, GH-4 and https://d.example/5 at 100% in C#"
    shown = "@ a closes # 1, b/c# 2, ! 3, GH 4 and https:// d.example/5 at 100% in C#"
    assert tame(given) == shown == tame(shown)


def test_a_cut_says_how_much_is_shown() -> None:
    """A cut text ends with a note, and is as long as it may be."""
    shown = truncate("x" * 20_000, 12_412)
    assert shown.endswith("x… [cut: 12,345 of 20,000 characters shown; the report has them all]")
    assert len(shown) == 12_412


@pytest.mark.parametrize(
    ("text", "limit", "unit", "shown"),
    [
        ("abc", 3, "characters", "abc"),
        ("abcd", 3, "characters", "ab…"),
        ("abcd", 1, "characters", "…"),
        ("abcd", 0, "characters", ""),
        ("abcd", -1, "characters", ""),
        ("abcd", 2, "bytes", ""),
        ("\u00e9\u00e9\u00e9", 5, "bytes", "\u00e9…"),
        ("\U0001f600" * 3, 4, "utf16", "\U0001f600…"),
        (FAMILY * 2, 6, "characters", f"{FAMILY}…"),
        (FAMILY * 2, 5, "characters", "…"),
        ("e\u0323\u0301x", 3, "characters", "…"),
        ("ab\u0323\u0301x", 4, "characters", "a…"),
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 3, "characters", "\U0001f1e9\U0001f1ea…"),
        ("a\ud83d", 1, "utf16", "…"),
    ],
)
def test_cuts_split_no_grapheme(text: str, limit: int, unit: Unit, shown: str) -> None:
    """Where a note has no room an ellipsis stands for it, and no accent, emoji or flag is split."""
    assert truncate(text, limit, unit) == shown


def test_units() -> None:
    """The same text counts differently in characters, bytes and UTF-16."""
    assert [measure("a\u00e9\U0001f600", unit) for unit in ("characters", "bytes", "utf16")] == [3, 7, 4]
    assert ELLIPSIS in NOTE


@pytest.mark.parametrize(
    "piece",
    [
        "\u0301\u0323",
        "\u200d",
        "\u200b",
        "\n ",
        " ",
        "\U0001f468\u200d",
        "\ufe0f",
        "\u0915\u094d\u200d",
        "@",
        "\r",
        "a\u0301",
        "\ud800",
    ],
)
def test_the_worst_texts_are_cleaned_soon(piece: str) -> None:
    """No text of a report's full length keeps a processor busy."""
    text = (piece * LONG)[:LONG]
    started = time.process_time()
    truncate(tame(text), 5_000)
    truncate(text, 5_000)
    assert time.process_time() - started < SOON


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/b?c=d#e", Link("https://a.example/b?c=d#e", "a.example")),
        ("HTTP://A.Example:8080", Link("http://a.example:8080", "a.example:8080")),
        (
            "https://a.example/(b)[c]|d`e<f>*_~\"'\\",
            Link("https://a.example/%28b%29%5Bc%5D%7Cd%60e%3Cf%3E%2A_~%22%27%5C", "a.example"),
        ),
        ("https://a.example/\u00e9 x", Link("https://a.example/%C3%A9%20x", "a.example")),
        ("ht\ntps://a.example/", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://bank.example@evil.example/", None),
        ("https://\u0430.example/", None),
        ("https://a.example]/", None),
        ("https://[::1", None),
        ("https:///x", None),
        ("//a.example", None),
        ("", None),
        ("https://a.example/" + "x" * 500, None),
    ],
)
def test_only_honest_addresses_become_links(url: str, expected: Link | None) -> None:
    """An address becomes a link only if its host can be shown as it is, and holds no sign of any markup."""
    assert link(url) == expected
