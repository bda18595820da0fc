"""Who may see the pages: a link that works once, then a signed cookie; and the proof that a form is one of ours."""

import hashlib
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from triage.errors import TriageError
from triage.local import home

SESSION = timedelta(hours=12)
LINK_LIFETIME = timedelta(hours=1)
TRIES = 10
"""Wrong links that are looked at within `TRIES_WITHIN`; after that nobody is let in for a while."""
TRIES_WITHIN = timedelta(minutes=1)
KEPT_IN = "console-secret"
"""The file in the home folder that has the secret."""
LONGEST_NAME = 100


class Denied(TriageError):
    """The link lets nobody in; the message says why."""


class TooMany(Denied):
    """Too many wrong links came; `wait` says for how long nobody is let in."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"too many wrong links; try again in {wait.total_seconds():.0f} s")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who was let in: the name that stands as the author of what they do, and the token of their forms."""

    who: str
    csrf: str


class Access:
    """Links and cookies are signed with the secret, so whoever reads it may come in. Safe for several threads."""

    def __init__(self, secret: str) -> None:
        """Links made before this moment no longer count: nobody knows any more which of them were used."""
        signing = {"digest_method": hashlib.sha256}
        self._links = URLSafeTimedSerializer(secret, salt="triage console link", signer_kwargs=signing)
        self._sessions = URLSafeTimedSerializer(secret, salt="triage console session", signer_kwargs=signing)
        self._forms = URLSafeTimedSerializer(secret, salt="triage console form", signer_kwargs=signing)
        self._notes = URLSafeTimedSerializer(secret, salt="triage console note", signer_kwargs=signing)
        self._began = int(time.time())
        self._used: dict[str, float] = {}
        self._wrong: deque[float] = deque()
        self._lock = threading.Lock()

    def link_token(self) -> str:
        """What a new link carries; it lets one person in, within an hour."""
        return str(self._links.dumps(secrets.token_urlsafe(16)))

    def check_link(self, token: str) -> None:
        """Raise Denied unless the token would let somebody in; it is not used up by that."""
        self._link(token)

    def enter(self, token: str, who: str) -> str:
        """Use the token up; the cookie of a new session. Raises Denied."""
        name = " ".join(who.split())[:LONGEST_NAME]
        with self._lock:
            nonce = self._link(token)
            if not name:
                raise Denied("a name is needed: it stands beside everything that you do")
            self._used = {one: until for one, until in self._used.items() if until > time.monotonic()}
            self._used[nonce] = time.monotonic() + LINK_LIFETIME.total_seconds()
        return str(self._sessions.dumps({"who": name, "id": secrets.token_urlsafe(16)}))

    def visit(self, cookie: str) -> Visit | None:
        """Who has this cookie; None if it is none of ours, or too old."""
        try:
            session = self._sessions.loads(cookie, max_age=int(SESSION.total_seconds()))
        except BadSignature:
            return None
        return Visit(session["who"], str(self._forms.dumps(session["id"])))

    def is_form_of(self, cookie: str, csrf: str) -> bool:
        """Whether the form was made for the session of this cookie."""
        try:
            session = self._sessions.loads(cookie, max_age=int(SESSION.total_seconds()))
            return bool(self._forms.loads(csrf, max_age=int(SESSION.total_seconds())) == session["id"])
        except BadSignature:
            return False

    def note(self, kind: str, text: str) -> str:
        """A message for the next page, as a cookie; `kind` is `done` or `failed`."""
        return str(self._notes.dumps([kind, text[:1_000]]))

    def read_note(self, cookie: str) -> tuple[str, str] | None:
        """Its kind and its text; None if it is none of ours."""
        try:
            kind, text = self._notes.loads(cookie, max_age=60)
        except BadSignature:
            return None
        return str(kind), str(text)

    def _link(self, token: str) -> str:
        self._bound()
        try:
            nonce, made = self._links.loads(token, max_age=int(LINK_LIFETIME.total_seconds()), return_timestamp=True)
        except BadSignature:
            self._wrong.append(time.monotonic())
            raise Denied("this link is wrong or too old") from None
        if made.timestamp() < self._began:
            raise Denied("this link was made before the console was started")
        if nonce in self._used:
            raise Denied("this link was used already")
        return str(nonce)

    def _bound(self) -> None:
        now = time.monotonic()
        while self._wrong and self._wrong[0] < now - TRIES_WITHIN.total_seconds():
            self._wrong.popleft()
        if len(self._wrong) >= TRIES:
            raise TooMany(timedelta(seconds=self._wrong[0] + TRIES_WITHIN.total_seconds() - now))


def secret_in(folder: Path) -> str:
    """The secret that is kept in this folder, readable by its owner only; made up if there is none yet."""
    path = home.make(folder).root / KEPT_IN
    if not path.exists():
        home.write_private(path, secrets.token_hex(32))
    return path.read_text().strip()
