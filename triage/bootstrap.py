"""The only place where things are wired together, once per process and lazily, after any fork."""

import os
import socket
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from triage import config, engine, errors, local, retry
from triage.decide.cascade import Cascade
from triage.decide.rules import Rules
from triage.guards.policy import Policy
from triage.model import Kind, Stage
from triage.model.money import Limits
from triage.store.approvals import Approvals
from triage.store.database import Database
from triage.store.lease import ProcessLease
from triage.store.money import Money
from triage.store.operations import Operations
from triage.store.postgres import PostgresStore
from triage.store.runs import Runs
from triage.store.shared import SharedTools
from triage.store.tool_box import ToolBox
from triage.text.secrets import mask_report
from triage.tools.egress import Egress
from triage.tools.transport import Transport
from triage.toolset import Parts, Toolset

if TYPE_CHECKING:
    from triage.decide.learned.model import Model
    from triage.decide.llm.paid import PaidAsker


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
        return PostgresStore(self.database, self.policy.version)

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
        retries = retry.Policy(attempts=self.settings.attempts)
        tools = self.toolset
        return engine.Engine(self.store, self._decider, tools.guarded, tools.outlets, policy=retries, mask=mask_report)

    @cached_property
    def toolset(self) -> Toolset:
        """The tools that are set, behind their guards."""
        rules = self._rules
        shared = (self.settings, self.database, self._transport, self.shared, self.policy)
        parts = Parts(*shared, rules.all_routes, rules.all_labels)
        return Toolset(parts)

    @cached_property
    def policy(self) -> Policy:
        """What may leave the house."""
        return Policy.load(self.settings.policy)

    @cached_property
    def shared(self) -> SharedTools:
        """What the guards of all workers share."""
        return SharedTools(self.database)

    @cached_property
    def approvals(self) -> Approvals:
        """What waits for a person's leave."""
        return Approvals(self.database)

    @cached_property
    def money(self) -> Money:
        """What asking models may cost, and did."""
        return Money(self.database, self.settings.llm.budgets.limits if self.settings.llm else Limits())

    @cached_property
    def asker(self) -> "PaidAsker | None":
        """Whom to ask where nothing else decides, if somebody is set."""
        if self.settings.llm is None:
            return None
        from triage.decide.llm.ask import Asker  # noqa: PLC0415 - its libraries take a second and 50 MB
        from triage.decide.llm.paid import PaidAsker  # noqa: PLC0415

        return PaidAsker(Asker(self.settings.llm), self.money)

    def tool_box(self, by: str) -> ToolBox:
        """What people see of the tools, and do to them; `by` says who."""
        return ToolBox(self.database, by)

    def check_decider(self, part: str) -> str:
        """What is set as `learned` or `llm`, in words; raises InvalidSetting if it cannot decide anything."""
        if part == "learned" and self._classifier is not None:
            return f"{self._classifier.version}, for {', '.join(self._classifier.classes)}"
        if part == "llm" and self.asker is not None:
            return self.asker.check()
        raise errors.InvalidSetting(f"{part} is not set")

    @cached_property
    def _decider(self) -> Cascade:
        return Cascade(self._rules, self._classifier, self.asker)

    @cached_property
    def _classifier(self) -> "Model | None":
        if self.settings.learned is None:
            return None
        from triage.decide.learned import fileformat  # noqa: PLC0415 - numpy, for those who use it

        found = fileformat.load(self.settings.learned)
        if strange := set(found.classes) - set(Kind):
            told = f"{self.settings.learned} knows {', '.join(sorted(strange))}, which are no kinds of reports"
            raise errors.InvalidSetting(f"{told}; learn anew with --map LABEL=KIND")
        return found

    @cached_property
    def _rules(self) -> Rules:
        return Rules.load(self.settings.rules)

    @cached_property
    def _transport(self) -> Transport:
        return Transport(
            before_send=self.lease.check, egress=Egress(self.settings.egress_allow, self.settings.egress_only)
        )

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
