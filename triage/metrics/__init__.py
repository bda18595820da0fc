"""What Prometheus reads, computed from Postgres and the queues: right after restarts, and the same in every process.

Nothing in it is text of a report. Sources, tools and models are told apart up to a bound; the rest is `other`.
"""

from triage import clock, errors
from triage.bootstrap import Services
from triage.metrics import collect, families, queues, render
from triage.metrics.families import FAMILIES, Family
from triage.metrics.render import CONTENT_TYPE, Samples

__all__ = ["CONTENT_TYPE", "FAMILIES", "Family", "document"]


def document(services: Services) -> bytes:
    """The whole page, as `CONTENT_TYPE` says. A database or a broker that is away is told in it, not raised."""
    began = clock.now()
    found = _of_database(services) | _of_broker(services)
    return render.text(found | {families.SCRAPE_SECONDS: {(): round(clock.now() - began, 4)}})


def _of_database(services: Services) -> dict[Family, Samples]:
    limits = services.settings.llm.budgets.limits if services.settings.llm else None
    try:
        totals = services.overview.totals()
        now = services.overview.now(limits.day if limits else None, limits.month if limits else None)
    except errors.StoreUnavailable:
        return {families.DATABASE_UP: {(): 0.0}}
    return collect.standing(now, totals) | collect.counted(totals)


def _of_broker(services: Services) -> dict[Family, Samples]:
    url = services.broker_url
    return collect.queued(queues.measured(url)) if queues.measurable(url) else {}
