"""Learned models with their versions, and what people corrected."""

from triage.store import sqlfile

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    sqlfile.run(__file__)


def downgrade() -> None:
    """Refuse: what people said would be lost."""
    raise NotImplementedError("restore a backup instead")
