"""Budgets and rates for each reporter."""

from triage.store import sqlfile

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    sqlfile.run(__file__)


def downgrade() -> None:
    """Refuse: what was spent would be forgotten."""
    raise NotImplementedError("restore a backup instead")
