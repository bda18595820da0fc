"""The local tracker and the local inbox, in a real Postgres of their own."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Self

import sqlalchemy

from tests.support import databases
from triage import local
from triage.model import Json
from triage.store.database import Database
from triage.testing.proxy import Exchange, ProxyControls
from triage.tools import local as tools
from triage.tools.adapter import compact

OURS = "it is a statement in our own database, not a call"
BROKEN = (
    *("commit then drop", "late commit", "too often", "errors before", "errors after"),
    *("unauthorized", "refusals", "garbage", "hang", "one request"),
)


class _Controls(ProxyControls):
    """Counts the statements of an engine in the words of a proxy; it breaks none."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        super().__init__("")
        self._seen: list[Exchange] = []
        sqlalchemy.event.listen(engine, "before_cursor_execute", self._executes)

    def _executes(self, _connection: object, _cursor: object, text: str, values: Any, *_: object) -> None:
        if "insert into" in text:
            self._seen.append(Exchange("INSERT", "", {}, compact(values["content"].obj), True, ""))

    @property
    def writes(self) -> int:
        return len(self._seen)

    @property
    def unmet(self) -> int:
        return 0

    @property
    def requests(self) -> list[Exchange]:
        return list(self._seen)

    def reset(self) -> None:
        self._seen.clear()


class _Local:
    kind = "local"
    against = "real server: PostgreSQL"
    target = "triage"
    unknown_target = ""
    table: str
    can_delete = False
    links = False
    http = False
    impossible: ClassVar[dict[str, str]] = {
        **dict.fromkeys(BROKEN, OURS),
        "invented": "it takes any field",
        "oversized": "it takes any length",
        "hostile text": "it keeps any text; what shows it must escape it",
    }
    content: ClassVar[Json] = {"title": "It crashes", "text": "On save.", "labels": ["ui"]}

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._home = folder / "home"

    def __enter__(self) -> Self:
        lease = self._stack.enter_context(local.attach(self._home))
        server = databases.make_template(lease.endpoints.database_url)
        self.database = Database(self._stack.enter_context(databases.copied(server)))
        self._stack.callback(self.database.close)
        self.proxy = _Controls(self.database.engine)
        self.tool = self.opened(self.database.engine)
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, engine: sqlalchemy.Engine) -> tools.LocalTool:
        raise NotImplementedError

    def objects(self, key: str) -> list[str]:
        text = f"select id from {self.table} where key = %s"  # noqa: S608 - a constant
        return [str(row.id) for row in databases.query(self.database, text, bytes.fromhex(key))]

    def delete(self, remote_id: str) -> None:
        raise AssertionError(f"{remote_id} cannot be deleted")

    def drop_marker(self, on: bool) -> bool:  # noqa: ARG002 - what others are asked
        return False

    def invented(self) -> Json:
        return self.content


class TrackerSubject(_Local):
    """Tickets."""

    table = "local_ticket"

    def opened(self, engine: sqlalchemy.Engine) -> tools.LocalTool:
        """See `_Local`."""
        return tools.tracker(engine)


class InboxSubject(_Local):
    """Notices."""

    table = "local_notice"

    def opened(self, engine: sqlalchemy.Engine) -> tools.LocalTool:
        """See `_Local`."""
        return tools.inbox(engine)


class CommentSubject(_Local):
    """Comments on tickets."""

    table = "local_comment"
    target = "triage#T-1"

    def opened(self, engine: sqlalchemy.Engine) -> tools.LocalTool:
        """See `_Local`."""
        return tools.comments(engine)
