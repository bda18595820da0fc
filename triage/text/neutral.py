"""From hostile text to text that shows what it says: the part that is the same for every system."""

import unicodedata

import regex

from triage.text.cut import ELLIPSIS, Unit, truncate

NEWLINE = regex.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
BLANK = regex.compile(r"[\p{Zs}\u2800--[ ]]", regex.V1)
"""Everything that looks like a space, the empty Braille cell included."""
JOINED = (
    r"\p{Arab}\p{Syrc}\p{Deva}\p{Beng}\p{Guru}\p{Gujr}\p{Orya}\p{Taml}\p{Telu}\p{Knda}\p{Mlym}\p{Sinh}\p{Khmr}\p{Mymr}"
)
"""Scripts whose spelling needs the joiner and the non-joiner."""
INVISIBLE = regex.compile(
    rf"""
    (?: (?<=\p{{Extended_Pictographic}}) | (?<=[0-9\#*]) (?=\ufe0f\u20e3) ) \ufe0f (*SKIP)(*FAIL)
    | (?<=\p{{Extended_Pictographic}}\p{{Emoji_Modifier}}?\ufe0f?) \u200d (?=\p{{Extended_Pictographic}}) (*SKIP)(*FAIL)
    | (?<=[[\p{{L}}\p{{M}}]&&[{JOINED}]--\p{{DI}}]) [\u200c\u200d] (?=[\p{{L}}&&[{JOINED}]--\p{{DI}}]) (*SKIP)(*FAIL)
    | [\p{{DI}}\p{{Cf}}\p{{Cc}}\p{{Cs}}\p{{Noncharacter_Code_Point}}--\p{{Prepended_Concatenation_Mark}}--[\t\n]]+?
    """,
    regex.V1 | regex.VERBOSE,
)
"""What has no picture of its own: controls, bidirectional controls, zero-width characters, tags, fillers, selectors.

Kept are an emoji's own selector and joiner, and a joiner between two letters of a script that is spelled with it.
Subdivision flags are spelled with tags and become a plain black flag.
"""
STRANGE = regex.compile(
    r"[\p{DI}\p{Cf}\p{Cc}\p{Cs}\p{Zs}\p{Mn}\p{Me}\p{Noncharacter_Code_Point}\u2800--[ \t\n]]", regex.V1
)
"""Whatever the patterns above and below may change: most texts have none of it."""
CONTROL = regex.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f]")
ZALGO = regex.compile(r"([\p{Mn}\p{Me}]{6})[\p{Mn}\p{Me}]++")
GAP = regex.compile(r"\n(?:[ \t]*+\n){3,}+")
MARKER = regex.compile(r"(?i)(triage)-(?=run)|(\[run):")
"""How the adapters find again what they made; a report must not be able to pass for that."""
SPACES = regex.compile(r"\s+")
MENTION = regex.compile(r"(?<![A-Za-z0-9_])@(?=[^\s@])")
REFERENCE = regex.compile(r"([#!&$%~^])(?=\d)|(?i:\b(GH))-(?=\d)|(://)(?=\S)|(?i:\b(www\.))(?=\w)")


def clean(text: str) -> str:
    """The text in NFC without what cannot be seen; at most two blank lines and six marks in a row.

    Line ends of every kind become a newline, spaces of every kind a space. Cleaning a clean text changes nothing.
    """
    if not (text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()):
        text = NEWLINE.sub("\n", text)
        text = CONTROL.sub("", text) if text.isascii() else _visible(text)
    return GAP.sub("\n\n\n", text)


def inert(text: str) -> str:
    """The clean text, in which nothing looks like a marker of ours."""
    shown = clean(text)
    return MARKER.sub(lambda found: f"{found[1] or found[2]} ", shown) if "run" in shown.lower() else shown


def line(text: str, limit: int | None = None, unit: Unit = "characters") -> str:
    """The inert text on one line, as for a subject or a header; a cut is shown by an ellipsis."""
    flat = SPACES.sub(" ", inert(text)).strip()
    return flat if limit is None else truncate(flat, limit, unit, note=ELLIPSIS)


def unmention(text: str) -> str:
    """The text with a space behind each `@` that could call somebody; addresses stay whole."""
    return MENTION.sub("@ ", text)


def tame(text: str) -> str:
    """One line for places that know no quoting, such as titles: nothing calls anybody or refers to anything.

    A visible space does it (`@ team`, `# 12`, `https:// example.org`): it survives normalisation and can be seen,
    which a zero-width character or a look-alike cannot claim.
    """
    flat = unmention(line(text))
    return REFERENCE.sub(lambda found: f"{found[1] or found[2] or found[3] or found[4]} ", flat)


def _visible(text: str) -> str:
    if not STRANGE.search("".join(set(text))):
        return unicodedata.normalize("NFC", text)
    text = INVISIBLE.sub("", BLANK.sub(" ", text))
    # Marks are bounded before, since normalising a long run of them takes quadratic time, and after: some become two.
    text = ZALGO.sub(r"\1", text)
    text = ZALGO.sub(r"\1", unicodedata.normalize("NFC", text))
    return INVISIBLE.sub("", text) if "\u200c" in text or "\u200d" in text else text
