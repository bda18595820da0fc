"""A private PostgreSQL and Valkey in one folder, started when needed, for Linux and macOS.

    with attach(Path(".triage/local")) as lease:
        engine = create_engine(lease.endpoints.database_url)

The first client starts them, further ones join, and they stop when the last has gone. Nothing needs to be installed
or set up beforehand, root may use them, and no process stays behind whatever is killed.
"""

from triage.local.client import Endpoints, Lease, ServerStatus, Status, attach, start, status, stop
from triage.local.errors import LocalError

__all__ = ["Endpoints", "Lease", "LocalError", "ServerStatus", "Status", "attach", "start", "status", "stop"]
