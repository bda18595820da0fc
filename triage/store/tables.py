"""The tables as SQLAlchemy sees them, for reading; `migrations/` defines them with their constraints."""

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Column,
    Date,
    DateTime,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_Time = DateTime(timezone=True)

run = Table(
    "run",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", LargeBinary),
    Column("source", Text),
    Column("source_id", Text),
    Column("report_kind", Text),
    Column("priority", SmallInteger),
    Column("checkpoint", Text),
    Column("status", Text),
    Column("due", _Time),
    Column("ring_at", _Time),
    Column("rings", SmallInteger),
    Column("attempt", SmallInteger),
    Column("losses", SmallInteger),
    Column("step", SmallInteger),
    Column("trace", Text),
    Column("fence", BigInteger),
    Column("claim_id", Uuid),
    Column("claimed_by", Uuid),
    Column("claim_until", _Time),
    Column("reason", Text),
    Column("waits_on", Text),
    Column("forked_from", Uuid),
    Column("created_at", _Time),
    Column("finished_at", _Time),
    Column("seen", BigInteger),
)

report = Table("report", metadata, Column("run_id", Uuid, primary_key=True), Column("content", JSONB))

decision = Table(
    "decision",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("kind", Text),
    Column("severity", Text),
    Column("decided_by", Text),
    Column("content", JSONB),
)

attempt = Table(
    "attempt",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("fence", BigInteger, primary_key=True),
    Column("stage", Text),
    Column("number", SmallInteger),
    Column("process_id", Uuid),
    Column("outcome", Text),
    Column("error", Text),
    Column("seconds", REAL),
    Column("ended_at", _Time),
    Column("seen", BigInteger),
    Column("trace", Text),
)

effect = Table(
    "effect",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("run_id", Uuid),
    Column("stage", Text),
    Column("number", SmallInteger),
    Column("tool", Text),
    Column("target", Text),
    Column("tool_class", Text),
    Column("timeout", Interval),
    Column("quarantine", Interval),
    Column("key_window", Interval),
    Column("content", JSONB),
    Column("state", Text),
    Column("claim_id", Uuid),
    Column("first_sent_at", _Time),
    Column("sent_at", _Time),
    Column("deadline", _Time),
    Column("not_before", _Time),
    Column("absences", SmallInteger),
    Column("remote_id", Text),
    Column("remote_url", Text),
    Column("error", Text),
    Column("dropped", ARRAY(Text)),
    Column("policy", Text),
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("run_id", Uuid),
    Column("at", _Time),
    Column("what", Text),
    Column("detail", JSONB),
    Column("seen", BigInteger),
)

process = Table(
    "process",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("pid", Integer),
    Column("stages", ARRAY(Text)),
    Column("started_at", _Time),
    Column("seen_at", _Time),
)

approval = Table(
    "approval",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("effect_key", LargeBinary),
    Column("run_id", Uuid),
    Column("digest", LargeBinary),
    Column("why", Text),
    Column("people", SmallInteger),
    Column("state", Text),
    Column("said", JSONB),
    Column("asked_at", _Time),
    Column("expires_at", _Time),
    Column("used_at", _Time),
)

tool_state = Table(
    "tool_state",
    metadata,
    Column("tool", Text, primary_key=True),
    Column("switched_off", Text),
    Column("failures", Integer),
    Column("trips", Integer),
    Column("open_until", _Time),
    Column("probe_until", _Time),
    Column("last_error", Text),
    Column("changed_at", _Time),
)

tool_event = Table(
    "tool_event",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("tool", Text),
    Column("at", _Time),
    Column("what", Text),
    Column("detail", JSONB),
)

tool_values = Table(
    "tool_values",
    metadata,
    Column("tool", Text, primary_key=True),
    Column("content", JSONB),
    Column("fetched_at", _Time),
)

duplicate = Table(
    "duplicate",
    metadata,
    Column("tool", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("remote_ids", ARRAY(Text)),
    Column("found_at", _Time),
)

model = Table(
    "model",
    metadata,
    Column("version", Text, primary_key=True),
    Column("content", LargeBinary),
    Column("numbers", JSONB),
    Column("made_at", _Time),
    Column("made_by", Text),
)

model_use = Table(
    "model_use",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("what", Text),
    Column("version", Text),
    Column("in_use", Text),
    Column("back_to", Integer),
    Column("by_whom", Text),
    Column("why", Text),
    Column("at", _Time),
)

_CORRECTION = (
    ("run_id", Uuid),
    ("field", Text),
    ("number", SmallInteger),
    ("value", Text),
    ("by_whom", Text),
    ("origin", Text),
    ("at", _Time),
)
correction = Table(
    "correction",
    metadata,
    Column("id", BigInteger, primary_key=True),
    *(Column(name, kind) for name, kind in _CORRECTION),
)
standing_correction = Table(
    "standing_correction", metadata, Column("id", BigInteger), *(Column(name, kind) for name, kind in _CORRECTION)
)
"""A view: the last correction of each field of each run."""

reservation = Table(
    "reservation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run_id", Uuid),
    Column("fence", BigInteger),
    Column("source", Text),
    Column("reporter", Text),
    Column("day", Date),
    Column("model", Text),
    Column("prompt", Text),
    Column("question", LargeBinary),
    Column("reserved", BigInteger),
    Column("made_at", _Time),
    Column("expires_at", _Time),
    Column("settled_at", _Time),
    Column("spent", BigInteger),
    Column("requests", SmallInteger),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("answer", JSONB),
    Column("seen", BigInteger),
)

budget = Table(
    "budget",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("since", Date, primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("taken", BigInteger),
)
"""Shards of what is taken; a sum of them means something, one alone does not."""
