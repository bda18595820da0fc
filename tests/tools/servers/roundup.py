"""Roundup, an issue tracker with a built-in exactly-once token, from PyPI in an environment of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.servers import rest, running, venvs

USER, PASSWORD = "admin", "opens-nothing"
AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
AS_NOBODY += ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
"""Roundup does not serve as root; the capability lets it read the environment wherever that is."""
TRACKER = "triage"


@dataclass(frozen=True, slots=True)
class Roundup:
    """A running tracker; `url` is that of its REST root's parent, and the methods act as `admin`, past any proxy."""

    url: str
    pid: int
    user: str = USER
    password: str = PASSWORD

    @property
    def headers(self) -> dict[str, str]:
        """What every REST call must have, beside the login."""
        return {"X-Requested-With": "rest", "Origin": self.url, "Referer": f"{self.url}/{TRACKER}/"}

    def issues_with(self, title: str) -> list[int]:
        """The ids of the issues with exactly this in their title."""
        found = self.ask("GET", "data/issue?@fields=title&@page_size=100")["data"]["collection"]
        return sorted(int(issue["id"]) for issue in found if title in issue["title"])

    def delete(self, issue_id: int) -> None:
        """Retire an issue: lists do not show it any more."""
        self.ask("DELETE", f"data/issue/{issue_id}", headers={"If-Match": self._etag(issue_id)})

    def ask(self, method: str, path: str, value: object = None, headers: dict[str, str] | None = None) -> Any:
        """One call below the REST root, such as `data/issue`."""
        url = path if path.startswith("http") else f"{self.url}/{TRACKER}/rest/{path}"
        everything = {**rest.basic(self.user, self.password), **self.headers, **(headers or {})}
        return rest.call_json(method, url, value, everything)

    def _etag(self, issue_id: int) -> str:
        return str(self.ask("GET", f"data/issue/{issue_id}")["data"]["@etag"])


def missing() -> str:
    """Why there is no Roundup here; empty if there is."""
    return venvs.missing("roundup")


@contextmanager
def roundup(*, calls: int = 0, seconds: int = 10) -> Iterator[Roundup]:
    """Run an empty tracker; if `calls`, more REST calls than that in `seconds` are answered with 429."""
    with running.folder("roundup") as home:
        port = running.free_port()
        url = f"http://{running.HOST}:{port}"
        _make(home / "tracker", f"{url}/{TRACKER}/", calls, seconds)
        command = [venvs.program("roundup", "roundup-server"), "-n", running.HOST, "-p", str(port)]
        command += [f"{TRACKER}={home / 'tracker'}"]
        if os.geteuid() == 0:
            command = [*AS_NOBODY, *command]
        with running.running(command, lambda: running.listens(port), home / "server.log", cwd=home) as process:
            yield Roundup(url, process.pid)


def _make(tracker: Path, web: str, calls: int, seconds: int) -> None:
    admin = [venvs.program("roundup", "roundup-admin"), "-i", str(tracker)]
    running.run([*admin, "install", "classic", "sqlite"])
    config = (tracker / "config.ini").read_text()
    settings = {"#web = NO DEFAULT": f"web = {web}", "#domain = NO DEFAULT": "domain = triage.test"}
    settings |= {"#host = NO DEFAULT": "host = 127.0.0.1"}
    settings["api_calls_per_interval = 0"] = f"api_calls_per_interval = {calls}"
    settings["api_interval_in_sec = 3600"] = f"api_interval_in_sec = {seconds}"
    for old, new in settings.items():
        config = config.replace(f"\n{old}\n", f"\n{new}\n")
    (tracker / "config.ini").write_text(config)
    running.run([*admin, "initialise", PASSWORD])
