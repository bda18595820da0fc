"""Budgets and rates for each reporter."""

from pathlib import Path
from typing import Any

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    sql = Path(__file__).with_suffix(".sql").read_text()
    # Straight to the driver: SQLAlchemy would take every percent sign for a parameter.
    connection: Any = op.get_bind().connection
    connection.driver_connection.execute(sql)


def downgrade() -> None:
    """Refuse: what was spent would be forgotten."""
    raise NotImplementedError("restore a backup instead")
