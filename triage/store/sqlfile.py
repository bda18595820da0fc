"""Migrations whose SQL stands in a file of the same name beside them."""

from pathlib import Path
from typing import Any

from alembic import op


def run(migration: str) -> None:
    """Run the SQL file beside a migration, given as its `__file__`."""
    # Straight to the driver: SQLAlchemy would take every percent sign for a parameter.
    connection: Any = op.get_bind().connection
    connection.driver_connection.execute(Path(migration).with_suffix(".sql").read_text())
