"""Radicale, a CalDAV server, in a process of its own with a private folder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import radicale as package

from tests.tools.servers import rest, running

USER, PASSWORD = "triage", "opens-nothing"
CALENDAR = "bugs"
CONFIG = """
[server]
hosts = {host}:{port}
[auth]
type = htpasswd
htpasswd_filename = {home}/users
htpasswd_encryption = plain
delay = 0
[storage]
filesystem_folder = {home}/data
[web]
type = none
[logging]
level = warning
"""


@dataclass(frozen=True, slots=True)
class Radicale:
    """A running server with one calendar, whose address is `calendar_url`; its folder is read past any proxy."""

    url: str
    pid: int
    home: Path
    user: str = USER
    password: str = PASSWORD

    @property
    def path(self) -> str:
        """The path of the calendar below `url`."""
        return f"/{self.user}/{CALENDAR}/"

    @property
    def calendar_url(self) -> str:
        """The calendar, with a slash at the end."""
        return self.url + self.path

    def events(self) -> list[str]:
        """Every object of the calendar as iCalendar text."""
        return [path.read_text() for path in self._files()]

    def names(self) -> list[str]:
        """The names of the objects, such as `x.ics`."""
        return [path.name for path in self._files()]

    def put(self, name: str, text: str) -> None:
        """Make or overwrite an object, as a person could."""
        self._ask("PUT", self.path + name, text.encode(), {"Content-Type": "text/calendar"})

    def delete(self, name: str) -> None:
        """Delete an object by its name, as a person could."""
        self._ask("DELETE", self.path + name)

    def delete_calendar(self) -> None:
        """Delete the whole calendar."""
        self._ask("DELETE", self.path)

    def make_calendar(self) -> None:
        """Make the calendar."""
        self._ask("MKCALENDAR", self.path)

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        return rest.call(method, self.url + path, body, {**rest.basic(self.user, self.password), **(headers or {})})

    def _files(self) -> list[Path]:
        return sorted((self.home / "data" / "collection-root" / self.user / CALENDAR).glob("*.ics"))


def missing() -> str:
    """Nothing: it comes with the development dependencies."""
    return "" if package.VERSION else "Radicale does not know its version"


@contextmanager
def radicale() -> Iterator[Radicale]:
    """Run a server with an empty calendar."""
    with running.folder("radicale") as home:
        port = running.free_port()
        (home / "users").write_text(f"{USER}:{PASSWORD}\n")
        config = home / "config"
        config.write_text(CONFIG.format(host=running.HOST, port=port, home=home))
        url = f"http://{running.HOST}:{port}"
        command = [sys.executable, "-m", "radicale", "--config", str(config)]
        with running.running(command, lambda: running.listens(port), home / "server.log", cwd=home) as process:
            server = Radicale(url, process.pid, home)
            server.make_calendar()
            yield server
