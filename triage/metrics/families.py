"""Every metric: its name, what it is, and what it is told by. Dashboards and alerts are made of the same constants."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Type: TypeAlias = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its labels, in their order."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()


DATABASE_UP = Family("triage_database_up", "gauge", "Whether Postgres answered.")
BROKER_UP = Family("triage_broker_up", "gauge", "Whether the broker answered; absent where it is not Redis.")

RUNS = Family(
    "triage_runs_total", "counter", "Runs received, and how they came to an end or to a person.", ("source", "outcome")
)
RUN_SECONDS = Family("triage_run_seconds", "histogram", "From a run's creation until it was done.")
ATTEMPTS = Family("triage_attempts_total", "counter", "Attempts by how they ended.", ("stage", "outcome"))
STAGE_SECONDS = Family("triage_stage_seconds", "histogram", "How long attempts took that did not die.", ("stage",))
RETRIES = Family("triage_retries_total", "counter", "Attempts that are to be made again.", ("stage",))
TIMEOUTS = Family(
    "triage_timeouts_total", "counter", "Attempts that failed because something took too long.", ("stage",)
)
RECOVERIES = Family("triage_recoveries_total", "counter", "Attempts that died with their worker.", ("stage",))
DECISIONS = Family("triage_decisions_total", "counter", "Decisions by who made them.", ("by", "kind"))
REFUSALS = Family("triage_guard_refusals_total", "counter", "Calls that a guard refused for good.", ("tool", "line"))
EVENTS = Family("triage_events_total", "counter", "What people did to runs.", ("what",))

ACTIVE = Family("triage_active_runs", "gauge", "Runs that go on by themselves.", ("stage", "waits_on"))
HELD = Family("triage_held_runs", "gauge", "Runs that wait for a person.")
DEAD = Family("triage_dead_runs", "gauge", "Runs that were given up.")
OLDEST_DUE = Family(
    "triage_oldest_due_seconds", "gauge", "For how long the oldest run has been due that nobody works on."
)
OLDEST_HELD = Family("triage_oldest_held_seconds", "gauge", "For how long the oldest held run has been held.")
OLDEST_DEAD = Family("triage_oldest_dead_seconds", "gauge", "For how long the oldest dead run has been dead.")
APPROVALS = Family("triage_approvals_pending", "gauge", "Calls that wait for a person's leave.")

EFFECTS = Family(
    "triage_effects", "gauge", "Outbound calls that change something, by what is known.", ("tool", "state")
)
BREAKER_OPEN = Family("triage_breaker_open", "gauge", "Whether the circuit breaker keeps everybody away.", ("tool",))
TOOL_OFF = Family("triage_tool_off", "gauge", "Whether a person put the tool out of service.", ("tool",))
DUPLICATES = Family("triage_duplicates_total", "counter", "Keys that the sweep found on more than one object.")

ASKS = Family("triage_model_asks_total", "counter", "Asks of a model that were settled.", ("model",))
TOKENS = Family("triage_tokens_total", "counter", "Tokens by model.", ("model", "direction"))
COST = Family("triage_cost_usd_total", "counter", "What models cost, in US dollars.", ("model",))
BUDGET_TAKEN = Family("triage_budget_taken_usd", "gauge", "US dollars taken out of a budget.", ("scope",))
BUDGET_LIMIT = Family("triage_budget_limit_usd", "gauge", "The budget's limit, if one is set.", ("scope",))
UNACCOUNTED = Family("triage_asks_unaccounted", "gauge", "Asks whose cost nobody knows; they count as spent.")

QUEUE_LENGTH = Family("triage_queue_length", "gauge", "Messages that wait in the broker.", ("queue",))
QUEUE_UNACKED = Family("triage_queue_unacked", "gauge", "Messages that workers have taken and not yet ended.")
WORKERS = Family("triage_workers", "gauge", "Worker processes that were seen in time.")
STAGE_WORKERS = Family("triage_stage_workers", "gauge", "Worker processes by the stages that they serve.", ("stage",))
RELAY_LED = Family("triage_relay_led", "gauge", "Whether some worker's relay leads.")
RINGS = Family("triage_relay_rings_total", "counter", "Messages that the relay sent for due runs.")

SCRAPE_SECONDS = Family("triage_scrape_seconds", "gauge", "How long it took to put this together.")

FAMILIES = tuple(found for found in list(globals().values()) if isinstance(found, Family))
"""All of them."""
