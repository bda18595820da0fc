"""What a candidate for deciding would have decided."""

from triage.store import sqlfile

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    sqlfile.run(__file__)


def downgrade() -> None:
    """Refuse: the comparisons would be lost."""
    raise NotImplementedError("restore a backup instead")
