"""The only place where things are wired together, once per process and lazily, after any fork."""

import os
import socket
import threading
from functools import cached_property
from pathlib import Path

from triage import config, engine, local, retry
from triage.decide.rules import Rules
from triage.model import Outlet, Outlets, Stage
from triage.ports import Tool
from triage.store.database import Database
from triage.store.lease import ProcessLease
from triage.store.operations import Operations
from triage.store.postgres import PostgresStore
from triage.store.runs import Runs
from triage.tools import local as local_tools
from triage.tools.egress import Egress
from triage.tools.transport import Transport

LOCAL = {"tracker": local_tools.tracker, "notifier": local_tools.inbox}


class Services:
    """Everything a process may need; each part is built when it is first asked for."""

    def __init__(self, settings: config.Settings) -> None:
        """Opens nothing yet."""
        self.settings = settings

    @cached_property
    def _embedded(self) -> local.Lease:
        """Keeps the embedded servers running for as long as this process lives."""
        return local.attach(Path(self.settings.home))

    @cached_property
    def database_url(self) -> str:
        """Of the server that is set, or of the embedded one, which is migrated by itself."""
        if self.settings.database_url is not None:
            return self.settings.database_url.get_secret_value()
        from triage.store import migrate  # noqa: PLC0415 - Alembic costs a worker on real servers memory for nothing

        url = self._embedded.endpoints.database_url
        if migrate.version(url) != migrate.expected_version():
            migrate.migrate(url)
        return url

    @cached_property
    def broker_url(self) -> str:
        """Of the broker that is set, or of the embedded one."""
        if self.settings.broker_url is not None:
            return self.settings.broker_url.get_secret_value()
        return self._embedded.endpoints.broker_url

    @cached_property
    def database(self) -> Database:
        """This process's connections."""
        return Database(self.database_url, pool_size=self.settings.database_connections)

    @cached_property
    def store(self) -> PostgresStore:
        """The state."""
        return PostgresStore(self.database)

    @cached_property
    def runs(self) -> Runs:
        """Reading runs."""
        return Runs(self.database)

    def operations(self, by: str) -> Operations:
        """What people do to runs; `by` says who."""
        return Operations(self.database, by)

    @cached_property
    def lease(self) -> ProcessLease:
        """This worker process's row; whoever runs the worker renews it."""
        name = f"{socket.gethostname()}:{os.getpid()}"
        return ProcessLease(self.database, name, list(Stage))

    @cached_property
    def engine(self) -> engine.Engine:
        """The engine with the tools and the decider that are set."""
        policy = retry.Policy(attempts=self.settings.attempts)
        decider = Rules.load(self.settings.rules)
        return engine.Engine(self.store, decider, self.tools, self.outlets, policy=policy)

    @cached_property
    def tools(self) -> dict[str, Tool]:
        """Every tool that is set, by its name."""
        return {tool.spec.name: tool for tool in self._by_role.values()}

    @cached_property
    def outlets(self) -> Outlets:
        """Which tool gets what."""
        settings = self.settings
        return Outlets(
            tracker=self._outlet("tracker", settings.tracker, settings.project),
            notices=(self._outlet("notifier", settings.notifier, ""),),
        )

    def _outlet(self, role: str, settings: config.ToolSettings, target: str) -> Outlet:
        return Outlet(self._by_role[role].spec.name, settings.target or target, settings.routes)

    @cached_property
    def _by_role(self) -> dict[str, Tool]:
        roles = {"tracker": self.settings.tracker, "notifier": self.settings.notifier}
        return {role: self._tool(role, settings) for role, settings in roles.items()}

    def _tool(self, role: str, settings: config.ToolSettings) -> Tool:
        if settings.kind == "local":
            return LOCAL[role](self.database.engine)
        return settings.open(f"{settings.kind}-{role}", self._transport)

    @cached_property
    def _transport(self) -> Transport:
        return Transport(before_send=self.lease.check, egress=Egress(self.settings.egress_allow))

    def close(self) -> None:
        """Give back connections and let the embedded servers end when nobody else uses them."""
        if "database" in self.__dict__:
            self.database.close()
        if "_embedded" in self.__dict__:
            self._embedded.close()


_lock = threading.Lock()
_services: dict[int, Services] = {}


def services() -> Services:
    """This process's services; a forked child gets its own, with no connection of its parent's.

    Raises:
        InvalidSetting: a setting is wrong; the message names it.
    """
    with _lock:
        if os.getpid() not in _services:
            _services[os.getpid()] = Services(config.load())
        return _services[os.getpid()]
