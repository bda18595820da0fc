"""What pages, metrics and alerts read."""

from triage.store import sqlfile

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    sqlfile.run(__file__)


def downgrade() -> None:
    """Refuse: the history would be lost."""
    raise NotImplementedError("restore a backup instead")
