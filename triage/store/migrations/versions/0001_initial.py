"""Runs, attempts, effects, processes, events, and the local tools."""

from pathlib import Path
from typing import Any

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything from the SQL file beside this one, which is the schema's one definition."""
    sql = Path(__file__).with_suffix(".sql").read_text()
    # Straight to the driver: SQLAlchemy would take every percent sign for a parameter.
    connection: Any = op.get_bind().connection
    connection.driver_connection.execute(sql)


def downgrade() -> None:
    """Refuse: there is nothing before the first version but an empty database."""
    raise NotImplementedError("drop the database instead")
