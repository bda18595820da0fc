"""The event loop of a process: deadlines, forks, its end, and what it refuses."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from triage import clock, errors
from triage.decide.llm.loop import EventLoop

PATCHED = """
import sys, types
name = sys.argv[1]
module = types.ModuleType(name)
setattr(module, sys.argv[2], lambda what: what in ("thread", "threading"))
sys.modules[name] = module
from triage import errors
from triage.decide.llm.loop import refuse_green_threads
try:
    refuse_green_threads()
except errors.InvalidSetting as error:
    print(error)
"""


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    """Give the test a loop of its own."""
    loop = EventLoop()
    yield loop
    loop.stop()


async def said(word: str, seconds: float = 0.0) -> str:
    """Say a word after a while."""
    await asyncio.sleep(seconds)
    return word


def test_many_threads_share_one_loop(loop: EventLoop) -> None:
    """Work from many threads runs on one thread, at once."""
    started = time.monotonic()
    with ThreadPoolExecutor(50) as threads:
        words = list(threads.map(lambda n: loop.run(lambda: said(str(n), 0.2), clock.now() + 5), range(50)))
    assert words == [str(n) for n in range(50)]
    assert time.monotonic() - started < 2
    assert [thread.name for thread in threading.enumerate()].count("asking") == 1


def test_the_deadline_cancels_what_is_under_way(loop: EventLoop) -> None:
    """Work that takes too long is cancelled at its deadline."""
    ended = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        loop.run(endless, clock.now() + 0.2)
    assert 0.1 < time.monotonic() - started < 1
    assert ended.wait(1)


def test_a_caller_does_not_wait_for_a_loop_that_stands_still(loop: EventLoop) -> None:
    """Work that blocks the loop itself does not keep its caller beyond the deadline for long."""

    async def blocking() -> None:
        time.sleep(2.5)  # noqa: ASYNC251 - what must not happen

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        loop.run(blocking, clock.now() + 0.1)
    assert time.monotonic() - started < 2


def test_stopping_ends_everything_in_order(loop: EventLoop) -> None:
    """What is under way is cancelled, what was opened is closed, the thread ends, and a later call starts anew."""
    closed = threading.Event()

    async def close() -> None:
        closed.set()

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(loop.run, lambda: said("never", 60), clock.now() + 60)
        loop.run(lambda: said("up"), clock.now() + 5)
        loop.at_exit(close)
        loop.stop()
        with pytest.raises(errors.ProcessExpired):
            asked.result(5)
    assert closed.is_set()
    assert "asking" not in [thread.name for thread in threading.enumerate()]
    assert loop.run(lambda: said("again"), clock.now() + 5) == "again"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_loop_of_its_own(loop: EventLoop) -> None:
    """A child forked from a process that has asked asks on its own loop, and the parent's goes on."""
    loop.run(lambda: said("parent"), clock.now() + 5)
    child = os.fork()
    if child == 0:
        try:
            os._exit(7 if loop.run(lambda: said("child"), clock.now() + 5) == "child" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert loop.run(lambda: said("parent"), clock.now() + 5) == "parent"


@pytest.mark.parametrize(
    ("library", "question"), [("gevent.monkey", "is_module_patched"), ("eventlet.patcher", "is_monkey_patched")]
)
def test_green_threads_are_refused(library: str, question: str) -> None:
    """Under gevent and eventlet the setting is refused in words."""
    said = subprocess.run(
        [sys.executable, "-c", PATCHED, library, question], capture_output=True, text=True, check=True
    )
    assert f"from a {library.partition('.')[0]} pool" in said.stdout


def test_a_process_ends_while_a_model_is_asked() -> None:
    """A process that ends in the middle of an ask does not hang, and says nothing."""
    code = (
        "import asyncio, threading\n"
        "from triage import clock\n"
        "from triage.decide.llm.loop import shared\n"
        "ask = lambda: shared.run(lambda: asyncio.sleep(60), clock.now() + 60)\n"
        "threading.Thread(target=ask, daemon=True).start()\n"
        "shared.run(lambda: asyncio.sleep(0.1), clock.now() + 5)\n"
    )
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert time.monotonic() - started < 15
    assert "Task was destroyed" not in ended.stderr
