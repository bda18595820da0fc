"""Frames of stack traces in any text: what was called where, without what differs from one run to the next.

Python, Java and Kotlin, JavaScript, .NET, Go, Rust, and C and C++ as gdb and the sanitizers write it. Addresses, line
numbers, arguments, folders and hashes are left out, so the same failure on two machines has the same frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import regex

LONGEST_LINE = 1_000
"""Characters; no frame that people can read is longer."""
MOST_LINES = 5_000
MOST_FRAMES = 50

_PLACE = r"(?: (?:at|from) (?P<file>[^\s:]+))?"
_FRAMES = tuple(
    regex.compile(pattern)
    for pattern in (
        # Python:  File "/srv/app/views.py", line 12, in show
        r'\s*File "(?P<file>[^"]+)", line \d+(?:, in (?P<name>\S+))?\s*$',
        # .NET:  at Shop.Cart.Add(Item item) in C:\src\Cart.cs:line 12
        r"\s*at (?P<name>[\w.<>`$|\[\],+ ]+)\([^)]*\) in (?P<file>.+):line \d+\s*$",
        # Java, Kotlin:  at com.shop.Cart.add(Cart.java:12)
        r"\s*at (?:[\w.@/-]+/)?(?P<name>[\w.$<>/-]+)\((?P<file>[\w.$-]+\.\w+|Native Method|Unknown Source)(?::\d+)?\)",
        # JavaScript (V8):  at add (https://shop.example/cart.3f2a.js:1:20), at async cart.js:1:20
        r"\s*at (?:async )?(?:(?P<name>.+?) \()?(?P<file>[^\s()]+):\d+:\d+\)?\s*$",
        # .NET without sources:  at Shop.Cart.Add(Item item)
        r"\s*at (?P<name>[\w.<>`$|\[\],+]+)\([^)]*\)\s*$",
        # JavaScript (Firefox, Safari):  add@https://shop.example/cart.js:1:20
        r"(?P<name>[\w.$/<>*\[\]]*)@(?P<file>[^\s@]+):\d+:\d+\s*$",
        # gdb:  #0  add (cart=0x0) at cart.c:12, #3  0x7f in start () from /lib/libc.so.6
        r"\s*#\d+ +(?:0x[\da-fA-F]+ in )?(?!0x)(?P<name>[\w:~<>,&* ]+?)(?:\([^()]*\))? \((?:\w+=.*)?\)" + _PLACE,
        # Sanitizers:  #1 0x4f1a in add(int) /src/cart.c:12:3
        r"\s*#\d+ 0x[\da-fA-F]+ in (?P<name>[\w:~<>,&* ]+?)(?:\([^()]*\))?(?: (?P<file>/[^\s:]+))?(?::\d+)*\s*$",
        # Both without symbols:  #2  0x00007f in ?? () from /lib/libc.so.6, #2 0x7f1 (/lib/libc.so.6+0x2a)
        r"\s*#\d+\s+0x[\da-fA-F]+ in (?P<name>\??\??) ?\(.*\)" + _PLACE,
        r"\s*#\d+\s+0x[\da-fA-F]+ +\((?P<file>[^()+]+)\+0x",
        # Rust:  3: shop::cart::add::h0123456789abcdef
        r"\s*\d+:\s+(?:0x[\da-f]+ - )?(?P<name><?[\w$]+(?:[\w$<> ,&{}#]|::)*::[\w$<>{}#:]+)\s*$",
        # Go:  main.(*Cart).Add(0xc000, 0x1)
        r"(?:created by )?(?P<name>[\w./-]+\.(?:\(\*?\w+\)\.)?[\w.]+)(?:\([^()]*\))(?: in goroutine \d+)?$",
    )
)
_BEFORE = r'Exception in thread "[^"]*" |Caused by: |Unhandled exception\. |Uncaught '
_ENDINGS = "Error|Exception|Exit|Interrupt|Warning|Throwable"
_ERRORS = tuple(
    regex.compile(pattern)
    for pattern in (
        rf"(?:{_BEFORE})?(?P<name>(?:[A-Za-z_][\w$]*\.)*[A-Z][\w$]*(?:{_ENDINGS}))(?=:|\s*$)",
        r"(?P<name>panic|fatal error): ",
        r"thread '[^']*' (?:\(\d+\) )?(?P<name>panicked) at ",
        r"==\d+==\s*ERROR: (?P<name>\w+Sanitizer: [\w-]+)",
        r"(?:Program received|Program terminated with) signal (?P<name>SIG\w+)",
    )
)
_CHANGING = regex.compile(r"0x[\da-fA-F]+|::h[\da-f]{16}\b|\b(?=\d*[a-f])(?=[a-f]*\d)[\da-f]{6,}\b|(?<=\$)\d+|\d{5,}")
_FOLDERS = regex.compile(r"^.*[/\\]")


@dataclass(frozen=True, slots=True)
class Trace:
    """The kinds of errors and the frames of a text, in its order; each frame is `function@file`."""

    errors: tuple[str, ...]
    frames: tuple[str, ...]


def trace(text: str) -> Trace:
    """Everything in a text that looks like a stack trace; empty if nothing does.

    The same frame again and again, as in endless recursion, is one.
    """
    lines = [line for line in text.splitlines()[:MOST_LINES] if len(line) <= LONGEST_LINE]
    frames: list[str] = []
    for frame in _frames(lines):
        if len(frames) < MOST_FRAMES and frame not in frames[-1:]:
            frames.append(frame)
    return Trace(tuple(_errors(lines)), tuple(frames))


def _frames(lines: list[str]) -> Iterator[str]:
    for line in lines:
        found = next((match for pattern in _FRAMES if (match := pattern.match(line))), None)
        if found is not None:
            parts = found.groupdict()
            yield f"{_stable(parts.get('name') or '')}@{_file(parts.get('file') or '')}"


def _errors(lines: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    for line in lines:
        found = next((match for pattern in _ERRORS if (match := pattern.match(line.strip()))), None)
        if found is not None and found["name"] not in seen:
            seen.add(found["name"])
            yield found["name"]


def _file(path: str) -> str:
    """The file's name alone, as its folder is another one on each machine."""
    return _stable(_FOLDERS.sub("", path.strip().partition("?")[0]))


def _stable(name: str) -> str:
    """Without addresses, hashes and long numbers, which compilers and loaders give anew."""
    return _CHANGING.sub("#", name.strip())
