"""Matrix Synapse from PyPI in an environment of its own, with a user and a room."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.tools.servers import rest, running, venvs

NAME = "triage.test"
USER, PASSWORD = "triage", "opens-nothing"
SIGNING_KEY = "A" * 43
"""Base64 of 32 zero bytes: nobody federates with this server."""
CONFIG = """
server_name: "{name}"
pid_file: {home}/pid
listeners: [{{bind_addresses: ["127.0.0.1"], port: {port}, tls: false, type: http, resources: [{{names: [client]}}]}}]
database: {{name: sqlite3, args: {{database: "{home}/homeserver.db"}}}}
media_store_path: {home}/media
signing_key_path: {home}/signing.key
macaroon_secret_key: "{secret}"
form_secret: "{secret}"
report_stats: false
trusted_key_servers: []
enable_registration: true
enable_registration_without_verification: true
rc_registration: {{per_second: 1000, burst_count: 1000}}
rc_login: {{address: {{per_second: 1000, burst_count: 1000}}, account: {{per_second: 1000, burst_count: 1000}}}}
rc_message: {{per_second: {rate}, burst_count: {burst}}}
"""


@dataclass(frozen=True, slots=True)
class Synapse:
    """A running homeserver; the methods act as the user whose `token` this is, past any proxy."""

    url: str
    pid: int
    token: str
    room: str
    user: str = f"@{USER}:{NAME}"

    def messages(self) -> list[dict[str, Any]]:
        """The last hundred messages of the room as Matrix shows them, newest first."""
        path = f"rooms/{quote(self.room)}/messages?dir=b&limit=100"
        return [event for event in self.ask("GET", path)["chunk"] if event["type"] == "m.room.message"]

    def delete(self, event_id: str) -> None:
        """Redact a message: it stays, without its content."""
        path = f"rooms/{quote(self.room)}/redact/{quote(event_id)}/{secrets.token_hex(8)}"
        self.ask("PUT", path, {})

    def ask(self, method: str, path: str, value: object = None) -> Any:
        """One call of the client API, such as `rooms/...`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return rest.call_json(method, f"{self.url}/_matrix/client/v3/{path}", value, headers)


def missing() -> str:
    """Why there is no Synapse here; empty if there is."""
    return venvs.missing("synapse")


@contextmanager
def synapse(*, rate: float = 1000, burst: int = 1000) -> Iterator[Synapse]:
    """Run a homeserver; messages beyond `burst` and then `rate` a second are answered with 429."""
    with running.folder("synapse") as home:
        port = running.free_port()
        config = home / "homeserver.yaml"
        secret = secrets.token_hex(16)
        config.write_text(CONFIG.format(name=NAME, home=home, port=port, secret=secret, rate=rate, burst=burst))
        (home / "signing.key").write_text(f"ed25519 a_test {SIGNING_KEY}\n")
        start = [venvs.program("synapse"), "-m", "synapse.app.homeserver", "-c", str(config)]
        url = f"http://{running.HOST}:{port}"

        def ready() -> bool:
            return rest.answers(f"{url}/_matrix/client/versions")

        with running.running(start, ready, home / "server.log", cwd=home) as process:
            yield _joined(url, process.pid)


def _joined(url: str, pid: int) -> Synapse:
    """Register the user and make the room."""
    wish = {"username": USER, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
    token = rest.call_json("POST", f"{url}/_matrix/client/v3/register", wish)["access_token"]
    outside = Synapse(url, pid, token, "")
    return Synapse(url, pid, token, outside.ask("POST", "createRoom", {"name": "Bugs"})["room_id"])
