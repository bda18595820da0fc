"""One campaign from its beginning to its figures."""

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos import world
from tests.money import judge, plan
from tests.money.judge import Findings, Passed
from tests.money.killer import Killer
from tests.money.plan import Wave
from tests.money.provider import Provider
from tests.support.databases import wait_until_processes_can_die
from tests.support.site import Site, report
from triage.decide.llm.ask import Asker
from triage.decide.llm.settings import LlmSettings
from triage.model.money import Limits
from triage.store.money import Money
from triage.store.postgres import PostgresStore

WORKERS, SLOTS = 3, 8
KILLING, DRAIN = 15.0, 60.0
"""Seconds of one wave in which workers are killed at most, and after those within which all must be done."""
LOOK_EVERY, TELL_EVERY = 0.25, 20
BATCH = 500
VAGUE = {"title": "About the thing", "body": "It is as it is."}
"""No rule knows what this is."""


@dataclass
class Campaign:
    """What happens, and what was seen while it did."""

    site: Site
    provider: Provider
    seed: int
    every: float
    began: float = field(default_factory=time.monotonic)
    ids: list[UUID] = field(default_factory=list)
    kills: int = 0
    passed: list[Passed] = field(default_factory=list)

    def play(self, wave: Wave) -> Limits:
        """Let new workers do all of it while they are killed; their limits."""
        limits = wave.limits(judge.taken(self.site.database))
        self.site.settings["TRIAGE_LLM"] = plan.settings(self.provider.url, limits)
        _check(self.site.settings["TRIAGE_LLM"])
        self._renew()
        self.ids += _submitted(self.site, wave)
        killer = Killer(self.site.workers, self.every, self.seed)
        killer.start()
        try:
            self._watch(limits, killer)
        finally:
            killer.stop()
            self.kills += killer.kills
        return limits

    def _renew(self) -> None:
        """Workers that know the settings of now."""
        self.site.close()
        self.site.workers.clear()
        for worker in [self.site.worker(slots=SLOTS) for _ in range(WORKERS)]:
            worker.wait_ready()
        wait_until_processes_can_die(self.site.database)

    def _watch(self, limits: Limits, killer: Killer) -> None:
        began, looks, money = time.monotonic(), 0, Money(self.site.database, limits)
        while (done := self.site.count(self.ids)) < len(self.ids) and time.monotonic() - began < KILLING + DRAIN:
            if time.monotonic() - began > KILLING:
                killer.stop()
            self.passed += judge.passed(money.taken(), limits)
            if looks % TELL_EVERY == 0:
                self._tell(done, killer.kills)
            looks += 1
            time.sleep(LOOK_EVERY)
        self._tell(self.site.count(self.ids), killer.kills)

    def _tell(self, done: int, kills: int) -> None:
        seconds, asked = time.monotonic() - self.began, self.provider.count
        say(f"{seconds:5.0f} s  {done} of {len(self.ids)} runs done, {asked} requests, {self.kills + kills} kills")


def run(runs: int, seed: int, every: float, folder: Path) -> dict[str, Any]:
    """Build everything, play all waves, and judge after each; the figures as they are written."""
    with ExitStack() as stack:
        provider = stack.enter_context(Provider(seed=seed))
        built = stack.enter_context(world.built(folder))
        built.site.settings |= {
            "TRIAGE_BROKER_URL": built.site.broker.url,
            "TRIAGE_HOME": str(folder),
            "TRIAGE_EGRESS_ALLOW": '["127.0.0.1"]',
        }
        campaign = Campaign(built.site, provider, seed, every)
        scopes = []
        for wave in plan.waves(runs):
            scopes += judge.scopes(built.site.database, wave.name, campaign.play(wave))
        built.site.close()
        found = Findings(seed, time.monotonic() - campaign.began, len(campaign.ids), campaign.kills, scopes)
        return judge.judge(built.site.database, provider, found, campaign.passed)


def say(text: str) -> None:
    """To standard error, at once."""
    print(text, file=sys.stderr, flush=True)


def _check(settings: str) -> None:
    """The plan's budgets are made of what one ask reserves."""
    asker = Asker(LlmSettings.model_validate_json(settings))
    worst = asker.worst(asker.inquire(report(**VAGUE)))
    if abs(worst - plan.ASK) > plan.ASK // 10:
        raise ValueError(f"an ask reserves {worst} by now: plan for it")


def _submitted(site: Site, wave: Wave) -> list[UUID]:
    store, reports = (
        PostgresStore(site.database),
        [
            report(source, reporter=reporter, **VAGUE)
            for source, reporter in zip(wave.sources, wave.reporters, strict=True)
        ],
    )
    batches = (reports[start : start + BATCH] for start in range(0, len(reports), BATCH))
    return [one.run_id for batch in batches for one in store.submit_many(batch, None)]
