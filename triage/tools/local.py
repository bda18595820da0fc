"""The local tracker, its comments, and the local inbox: tables with a permanent key, without any other system."""

from datetime import timedelta
from typing import Literal

import sqlalchemy
from psycopg.types.json import Jsonb
from sqlalchemy import exc

from triage import errors
from triage.model import Request, Sent, ToolClass, ToolSpec, ticket_in
from triage.tools.adapter import Adapter, compact
from triage.tools.settings import ToolSettings

NAME = "local-tracker"
_FILE = """
with filed as (
    insert into {table} (key, target, content) values (%(key)s, %(target)s, %(content)s)
    on conflict (key) do nothing returning id
)
select id from filed union all select id from {table} where key = %(key)s
"""


class Settings(ToolSettings):
    """The local tracker or inbox needs nothing."""

    kind: Literal["local"] = "local"


class LocalTool(Adapter):
    """Files into one of the product's own tables; a repeated key returns the first object."""

    def __init__(self, engine: sqlalchemy.Engine, name: str, table: str, prefix: str, beside: str = "") -> None:
        """`engine` autocommits; `table` has key, target and content; ids look like PREFIX-1, of comments T-1#C-1."""
        super().__init__(ToolSpec(name, ToolClass.KEYED, timeout=timedelta(seconds=10), beside=beside))
        self._engine = engine
        self._statement = _FILE.format(table=table)
        self._prefix = prefix

    def render(self, request: Request) -> bytes:
        """The content as it is kept."""
        return compact(request.content)

    def send(self, request: Request) -> Sent:
        """File the object.

        Raises:
            OutcomeUnknown: the connection broke; the key makes sending again safe.
        """
        params = {
            "key": bytes.fromhex(request.key),
            "target": request.target,
            "content": Jsonb(request.content),
        }
        try:
            with self._engine.connect() as connection:
                row = connection.exec_driver_sql(self._statement, params).one_or_none()
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
            raise errors.OutcomeUnknown(f"{self.spec.name}: Postgres did not answer") from error
        if row is None:  # another call with this key committed between the two halves of the statement
            raise errors.OutcomeUnknown(f"{self.spec.name}: filed by a concurrent call")
        ticket = f"{ticket_in(request.target)[1]}#" if self.spec.beside else ""
        return Sent(f"{ticket}{self._prefix}-{row.id}")


def tracker(engine: sqlalchemy.Engine) -> LocalTool:
    """The tracker that needs no other system."""
    return LocalTool(engine, NAME, "local_ticket", "T")


def comments(engine: sqlalchemy.Engine) -> LocalTool:
    """The comments on its tickets."""
    return LocalTool(engine, "local-comment", "local_comment", "C", beside=NAME)


def inbox(engine: sqlalchemy.Engine) -> LocalTool:
    """The notifier that needs no other system."""
    return LocalTool(engine, "local-inbox", "local_notice", "N")
