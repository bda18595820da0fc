"""Fingerprints of decided reports, to find repeats."""

from triage.store import sqlfile

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the SQL file beside this one."""
    sqlfile.run(__file__)


def downgrade() -> None:
    """Refuse: the fingerprints would be lost."""
    raise NotImplementedError("restore a backup instead")
