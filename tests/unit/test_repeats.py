"""Fingerprints: the same for the same, in every language's stack traces, and another one for what only looks alike."""

import time

import pytest

from triage.decide.repeats import Fingerprints, fingerprints
from triage.decide.traces import MOST_FRAMES, trace
from triage.model import Report

TRACES = {
    "python": (
        """
Traceback (most recent call last):
  File "/srv/app/views.py", line 12, in show
    return cart.total()
  File "/srv/app/cart.py", line 88, in total
    raise KeyError(key)
KeyError: "abc"
""",
        ("show@views.py", "total@cart.py"),
        ("KeyError",),
    ),
    "java": (
        """
Exception in thread "main" java.lang.IllegalStateException: cart 4711
    at com.shop.Cart.add(Cart.java:12)
    at com.shop.Main.lambda$main$0(Main.java:40)
    at java.base/java.lang.Thread.run(Thread.java:829)
Caused by: java.lang.NullPointerException
    ... 3 more
""",
        ("com.shop.Cart.add@Cart.java", "com.shop.Main.lambda$main$#@Main.java", "java.lang.Thread.run@Thread.java"),
        ("java.lang.IllegalStateException", "java.lang.NullPointerException"),
    ),
    "kotlin": (
        """
kotlin.KotlinNullPointerException
    at shop.CartKt.add(Cart.kt:12)
    at shop.CartKt$main$1.invokeSuspend(Cart.kt:20)
""",
        ("shop.CartKt.add@Cart.kt", "shop.CartKt$main$#.invokeSuspend@Cart.kt"),
        ("kotlin.KotlinNullPointerException",),
    ),
    "javascript": (
        """
TypeError: Cannot read properties of undefined (reading 'x')
    at add (https://shop.example/static/cart.3f2a1b.js:1:20)
    at async main.js:33:1
""",
        ("add@cart.#.js", "@main.js"),
        ("TypeError",),
    ),
    "firefox": (
        """
RangeError: too far
add@https://shop.example/cart.js:1:20
@https://shop.example/main.js:9:1
""",
        ("add@cart.js", "@main.js"),
        ("RangeError",),
    ),
    "dotnet": (
        """
Unhandled exception. System.NullReferenceException: Object reference not set
   at Shop.Cart.Add(Item item, Int32 n) in C:\\src\\Cart.cs:line 12
   at Shop.Program.Main(String[] args)
""",
        ("Shop.Cart.Add@Cart.cs", "Shop.Program.Main@"),
        ("System.NullReferenceException",),
    ),
    "go": (
        """
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.(*Cart).Add(0xc000012345, 0x1)
    /home/me/cart.go:12 +0x1d
main.main()
    /home/me/main.go:8 +0x25
""",
        ("main.(*Cart).Add@", "main.main@"),
        ("panic",),
    ),
    "rust": (
        """
thread 'main' panicked at src/main.rs:4:5:
index out of bounds
stack backtrace:
   1: core::panicking::panic_fmt::h0123456789abcdef
   2: shop::cart::Cart::add
""",
        ("core::panicking::panic_fmt#@", "shop::cart::Cart::add@"),
        ("panicked",),
    ),
    "asan": (
        """
==12345==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010
    #0 0x4f1a2b in shop::add(int) /src/cart.c:12:3
    #1 0x7f1234 (/lib/x86_64-linux-gnu/libc.so.6+0x2a1b2)
""",
        ("shop::add@cart.c", "@libc.so.6"),
        ("AddressSanitizer: heap-use-after-free",),
    ),
    "gdb": (
        """
Program received signal SIGSEGV, Segmentation fault.
#0  add (cart=0x0, n=3) at cart.c:12
#1  0x0000555555555171 in main () at main.c:5
#2  0x00007ffff7dfe in ?? () from /lib/libc.so.6
""",
        ("add@cart.c", "main@main.c", "??@libc.so.6"),
        ("SIGSEGV",),
    ),
}
OTHER_RUN = {
    "line 12": "line 13",
    ":12": ":14",
    "/srv/app/": "/home/you/app/",
    "0x4f1a2b": "0x5f0000",
    "0xc000012345": "0xc000054321",
    "12345==": "99999==",
    "3f2a1b": "9c0d1e",
    "4711": "4712",
    "C:\\src\\": "D:\\work\\",
    "h0123456789abcdef": "hfedcba9876543210",
    "$main$0": "$main$7",
    "$main$1": "$main$2",
    "https://shop.example/": "http://localhost:8080/",
    ":1:20": ":2:21",
    "0x0000555555555171": "0x0000666666666171",
    '"abc"': '"xyz"',
}


def of(title: str = "t", body: str = "") -> Fingerprints:
    """The fingerprints of a report."""
    return fingerprints(Report(source="s", source_id="1", title=title, body=body))


def another_run(text: str) -> str:
    """The same failure on another machine: other addresses, lines, folders and messages."""
    for old, new in OTHER_RUN.items():
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("language", TRACES)
def test_frames_of_each_language(language: str) -> None:
    """Functions and files are found, without folders, lines, arguments and addresses."""
    text, frames, errors = TRACES[language]
    found = trace(f"It happened again:\n\n{text}\n\nPlease help.")
    assert (found.frames, found.errors) == (frames, errors)


@pytest.mark.parametrize("language", TRACES)
def test_the_same_failure_elsewhere_has_the_same_trace(language: str) -> None:
    """Another machine's addresses, lines, folders and messages leave the fingerprint of the trace as it is."""
    text = TRACES[language][0]
    other = another_run(text)
    assert other != text
    assert of(body=f"My machine:\n{text}").trace == of(body=f"Seen by me too.\n{other}\nThanks").trace is not None
    assert of(body=text).text != of(body=other).text


@pytest.mark.parametrize("language", TRACES)
def test_another_failure_has_another_trace(language: str) -> None:
    """Another function in one frame is another failure."""
    text = TRACES[language][0]
    other = text.replace("add", "remove").replace("Add", "Remove").replace("total", "sum")
    assert other != text
    assert of(body=text).trace != of(body=other).trace


def test_another_error_at_the_same_place_is_another_failure() -> None:
    """The kind of error counts beside the frames."""
    text = TRACES["python"][0]
    assert of(body=text).trace != of(body=text.replace("KeyError: ", "ValueError: ")).trace


def test_prose_has_no_trace() -> None:
    """Lists, times, mail addresses and calls in a sentence are no frames."""
    body = "Steps:\n1. Open at 10:30\n2: click\n#1 it hangs (always) at work\nat home (today)\nMail me@host.example"
    assert trace(body).frames == ()
    assert of(body=body).trace is None


def test_one_frame_alone_is_no_fingerprint() -> None:
    """A single frame is too little to call two reports the same."""
    body = 'File "/srv/app/wsgi.py", line 1, in application\nKeyError: 1'
    assert trace(body).frames == ("application@wsgi.py",)
    assert of(body=body).trace is None


def test_endless_recursion_is_one_frame() -> None:
    """However deep a recursion went, its frames are the same."""
    start, deeper = '  File "a.py", line 1, in start\n', '  File "a.py", line 2, in again\n'
    assert of(body=start + deeper * 3).trace == of(body=start + deeper * 900).trace is not None


def test_frames_are_bounded() -> None:
    """A dump of many frames is cut."""
    body = "\n".join(f'  File "a.py", line 1, in f{chr(97 + n % 26)}{chr(97 + n // 26)}' for n in range(300))
    assert len(trace(body).frames) == MOST_FRAMES


@pytest.mark.parametrize(
    "same",
    [
        ("It  crashes\ton start", "now\r\nhere"),
        ("it crashes ON start", "NOW here"),
        (" It crashes on start ", "now here\n\n"),
        ("It\u200b crashes on\u00a0start", "now\ufeff here"),
        ("\uff29t crashes on start", "now here"),
    ],
)
def test_the_same_words_are_the_same_text(same: tuple[str, str]) -> None:
    """Blanks, case, what cannot be seen and other ways to write a letter make no difference."""
    assert of(*same).text == of("It crashes on start", "now here").text


@pytest.mark.parametrize("other", [("Error 500", ""), ("Error 404", "x"), ("Error", "404"), ("Error 404!", "")])
def test_other_words_are_another_text(other: tuple[str, str]) -> None:
    """Numbers, signs and where the title ends make a difference."""
    assert of(*other).text != of("Error 404", "").text
    assert len(of(*other).text) == 32


@pytest.mark.parametrize(
    "line",
    ["at " + "a." * 490 + "(", "#1 0x1 in " + "a " * 490, "1: " + "a::" * 320 + "!", "a" * 999 + "@"],
)
def test_no_line_takes_long(line: str) -> None:
    """A body full of lines made to be slow is read within a second."""
    body = "\n".join([line[:1000]] * 99)
    began = time.thread_time()
    trace(body)
    assert time.thread_time() - began < 1
