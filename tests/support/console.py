"""The console as it is run in earnest: a process; and a visitor that speaks HTTP with it, with a browser's manners."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support import waiting
from triage.console.access import KEPT_IN, Access

ROOT = Path(__file__).parents[2]
START_LIMIT = 30.0
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Console:
    """A console that serves; `link` lets the first visitor in."""

    process: subprocess.Popen[str]
    link: str
    environment: dict[str, str]
    folder: Path

    @property
    def url(self) -> str:
        """Its address without a path."""
        return self.link.partition("/enter")[0]

    def new_link(self) -> str:
        """Another link, from the command that makes them."""
        command = [sys.executable, "-m", "triage.cli", "console", "--link", "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True
        )
        return str(json.loads(done.stdout)["link"])

    def token(self) -> str:
        """What a new link carries, made here and now from the secret that the console keeps."""
        return Access((self.folder / KEPT_IN).read_text()).link_token()

    def visitor(self, name: str = "ada") -> "Visitor":
        """Somebody who came in by a new link."""
        visitor = Visitor(self.url)
        token = self.token()
        assert visitor.post("/enter", {"token": token, "name": name}).status == 303
        return visitor


@contextmanager
def serving(folder: Path, settings: Mapping[str, str], *options: str) -> Iterator[Console]:
    """Run the command until the test is over."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("TRIAGE_", "OTEL_"))}
    environment = clean | {"PYTHONPATH": str(ROOT)} | dict(settings)
    command = [sys.executable, "-m", "triage.cli", "console", "--json", "--port", "0", *options]
    out, err = (folder / "console.out", folder / "console.err")
    with out.open("w") as told, err.open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=log, text=True)
    try:
        waiting.until(lambda: "link" in out.read_text() or process.poll() is not None, START_LIMIT, err.read_text)
        assert process.poll() is None, err.read_text()
        yield Console(process, json.loads(out.read_text())["link"], environment, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    assert "Traceback" not in err.read_text(), err.read_text()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def to(self) -> str:
        """Where it leads on to."""
        return self.headers.get("location", "")


@dataclass
class Visitor:
    """Keeps cookies, and says on which page a form stood."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page; redirects are not followed."""
        return self._ask("GET", path, None, headers)

    def post(self, path: str, fields: Mapping[str, Any] | Sequence[tuple[str, str]], **headers: str) -> Answer:
        """Send a form."""
        given = {"Origin": self.url, "Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, urlencode(fields, doseq=True), given | headers)

    def act(self, path: str, fields: Mapping[str, Any] | None = None, *, seen: str = "/runs") -> Answer:
        """Send a form with the token that stands on the page `seen`; the page that follows."""
        (token, *_) = CSRF.findall(self.get(seen).text)
        answer = self.post(path, {"csrf": token, **(fields or {})})
        return self.get(answer.to) if answer.status == http.HTTPStatus.SEE_OTHER else answer

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        sent = {"Cookie": "; ".join(f"{name}={text}" for name, text in self.cookies.items()), **headers}
        try:
            connection.request(
                method, path, body, {name.replace("_", "-"): text for name, text in sent.items() if text}
            )
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for line in answer.headers.get_all("set-cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                self._keep(name, morsel.value, gone=morsel["max-age"] == "0")
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, text)

    def _keep(self, name: str, value: str, *, gone: bool) -> None:
        self.cookies.pop(name, None)
        if not gone:
            self.cookies[name] = value
