"""The only place where things are wired together, once per process and lazily, after any fork."""

import os
import socket
import threading
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from triage import config, engine, errors, local, retry, ways
from triage.decide.cascade import Cascade, Classifier
from triage.decide.duplicates import Duplicates
from triage.decide.learned import current
from triage.decide.llm.settings import LlmSettings
from triage.decide.recent import Recent
from triage.decide.rules import Rules
from triage.decide.traced import Traced
from triage.decide.variant import Variant
from triage.feedback import Feedback
from triage.guards.policy import Policy
from triage.model import Stage
from triage.ports import Decider
from triage.store.approvals import Approvals
from triage.store.candidates import Candidates
from triage.store.corrections import Corrections
from triage.store.database import Database
from triage.store.history import History
from triage.store.lease import ProcessLease
from triage.store.models import Models
from triage.store.money import Money
from triage.store.operations import Operations
from triage.store.outbox import Outbox
from triage.store.overview import Overview
from triage.store.past import Past
from triage.store.postgres import PostgresStore
from triage.store.runs import Runs
from triage.store.shared import SharedTools
from triage.store.tally import Tally
from triage.store.tickets import Tickets
from triage.store.tool_box import ToolBox
from triage.text.secrets import mask_report
from triage.tools.egress import Egress
from triage.tools.transport import Transport
from triage.toolset import TRACKER, Parts, Toolset, targets
from triage.webhooks import Webhooks

if TYPE_CHECKING:
    from triage.decide.llm.ask import Asker
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

    @cached_property
    def overview(self) -> Overview:
        """How things stand, and how they went."""
        return Overview(self.database)

    @cached_property
    def history(self) -> History:
        """What happened, in order."""
        return History(self.database)

    @cached_property
    def tally(self) -> Tally:
        """What happened, added up."""
        return Tally(self.database)

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
        tools, decider = self.toolset, Traced(self._decider)
        return engine.Engine(self.store, decider, tools.guarded, tools.outlets, policy=retries, mask=mask_report)

    @cached_property
    def toolset(self) -> Toolset:
        """The tools that are set, behind their guards."""
        chosen = self.settings.candidate
        rules = [self._rules]
        if chosen and chosen.mode == "canary" and chosen.rules:
            rules.append(Rules.load(chosen.rules))
        routes = frozenset().union(*(one.all_routes for one in rules))
        labels = frozenset().union(*(one.all_labels for one in rules))
        shared = (self.settings, self.database, self._transport, self.shared, self.policy)
        parts = Parts(*shared, routes, labels)
        return Toolset(parts)

    @cached_property
    def feedback(self) -> Feedback:
        """What people change on our tickets in the tracker."""
        return Feedback(self.toolset.bare[TRACKER], targets(self.settings, TRACKER, ()), self.database)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Telling others what became of runs."""
        return Webhooks(self.settings.webhooks, self.outbox, self._transport)

    @cached_property
    def outbox(self) -> Outbox:
        """What others are to be told of runs."""
        return Outbox(self.database)

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
    def models(self) -> Models:
        """What was learned, and which of it is in use."""
        return Models(self.database)

    @cached_property
    def corrections(self) -> Corrections:
        """What people say that decisions should have been."""
        return Corrections(self.database)

    @cached_property
    def money(self) -> Money:
        """What asking models may cost, and did."""
        return Money(self.database, ways.limits(self.settings))

    @cached_property
    def asker(self) -> "PaidAsker | None":
        """Whom to ask where nothing else decides, if somebody is set."""
        if self.settings.llm is None:
            return None
        from triage.decide.llm.paid import PaidAsker  # noqa: PLC0415 - its libraries take a second and 50 MB

        return PaidAsker(self._asking(self.settings.llm), self.money)

    def way(self, variant: Variant, duplicates: Duplicates | None = None) -> ways.Built:
        """A way to decide with these parts of its own, and else those that are set; raises InvalidSetting."""
        rules = Rules.load(variant.rules) if variant.rules else self._rules
        return ways.Built(rules, self._learned(variant.learned), self.asker_of(variant), duplicates)

    def asker_of(self, variant: Variant) -> "Asker | None":
        """Who asks its model, or the one that is set; None if it asks none. Raises InvalidSetting."""
        llm = variant.llm_beside(self.settings.llm)
        return self._asking(llm) if llm else None

    @cached_property
    def candidates(self) -> Candidates:
        """What candidates for deciding said."""
        return Candidates(self.database)

    @cached_property
    def past(self) -> Past:
        """Past runs, to be decided again in dry run."""
        return Past(self.database)

    def tool_box(self, by: str) -> ToolBox:
        """What people see of the tools, and do to them; `by` says who."""
        return ToolBox(self.database, by)

    def check_decider(self, part: str) -> str:
        """What is set as `learned`, `llm` or `candidate`, in words; raises InvalidSetting if it cannot decide."""
        if part == "learned" and (name := self.settings.learned or self.models.in_use()) is not None:
            found = current.from_file(name) if isinstance(name, Path) else current.stored(self.models, name)
            return f"{found.version}, for {', '.join(found.classes)}"
        if part == "llm" and self.asker is not None:
            return self.asker.check()
        if part == "candidate" and (chosen := self.settings.candidate) is not None:
            if (asker := self.way(chosen).asker) is not None:
                asker.check()
            return f"{chosen.name}, {chosen.mode} of {chosen.share:.0%}, with {chosen.told}"
        raise errors.InvalidSetting(f"{part} is not set")

    @cached_property
    def _decider(self) -> Decider:
        chosen = self.settings.candidate
        if chosen is None:
            return self._cascade
        half = Money(self.database, ways.halved(ways.limits(self.settings)))
        build = partial(self.way, chosen, self.duplicates)
        return ways.beside(self._cascade, chosen, build, self.money, half, self.candidates)

    @cached_property
    def _cascade(self) -> Cascade:
        return Cascade(self._rules, self._classifier, self.asker, self.duplicates)

    @cached_property
    def duplicates(self) -> Duplicates:
        """Earlier tickets that a report repeats, or may repeat."""
        settings = self.settings.duplicates
        tickets = Tickets(self.database, settings.recent, self.toolset.may_link)
        return Duplicates(settings, tickets, Recent(tickets, settings.recent))

    @cached_property
    def _classifier(self) -> Classifier:
        """The file that is set, else whatever stored model is in use, now and later."""
        return current.from_file(self.settings.learned) if self.settings.learned else current.Current(self.models)

    def _learned(self, name: str | None) -> Classifier:
        """What a file or the stored version of this name says; without a name, what is set."""
        if name is None:
            return self._classifier
        return current.from_file(Path(name)) if Path(name).exists() else current.stored(self.models, name)

    def _asking(self, llm: LlmSettings) -> "Asker":
        from triage.decide.llm.ask import Asker  # noqa: PLC0415 - its libraries take a second and 50 MB

        return Asker(llm, door=self._egress.addresses)

    @cached_property
    def _rules(self) -> Rules:
        return Rules.load(self.settings.rules)

    @cached_property
    def _transport(self) -> Transport:
        return Transport(before_send=self.lease.check, egress=self._egress)

    @cached_property
    def _egress(self) -> Egress:
        return Egress(self.settings.egress_allow, self.settings.egress_only)

    def close(self) -> None:
        """Give back connections and let the embedded servers end when nobody else uses them."""
        if "duplicates" in self.__dict__:
            self.duplicates.close()
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
