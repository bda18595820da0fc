-- The guarded door: several effects a stage, follow-ups, approvals, and what all workers share about the tools.

alter table attempt drop constraint attempt_stage_check;
alter table attempt add check (stage in ('triage', 'create_ticket', 'notify', 'follow_up'));

alter table run drop constraint run_waits_on_check;
alter table run add check (waits_on in ('relay', 'tool', 'quarantine', 'switch', 'person'));
alter table run add step smallint not null default 1 check (step >= 1);  -- which of the stage's effects comes next
create index run_switched_off on run (id) where waits_on = 'switch';

-- The effects of a stage come one after the other, in the order of their numbers: the one before plans the next.
alter table effect add number smallint not null default 1 check (number >= 1);
alter table effect add dropped text[] not null default '{}';
alter table effect add policy text;
alter table effect drop constraint effect_run_id_stage_key;
alter table effect add unique (run_id, stage, number);
alter table effect drop constraint effect_stage_check;
alter table effect add check (stage in ('create_ticket', 'notify', 'follow_up'));
alter table effect drop constraint effect_tool_class_check;
alter table effect add check (tool_class in ('keyed', 'windowed', 'findable', 'blind', 'repeated'));

create or replace function effect_move() returns trigger language plpgsql as $$
begin
    if new.state = old.state or (old.state, new.state) in (
        ('planned', 'sending'), ('planned', 'refused'),
        ('sending', 'confirmed'), ('sending', 'refused'), ('sending', 'planned'), ('sending', 'unknown'),
        ('unknown', 'sending'), ('unknown', 'confirmed'), ('unknown', 'planned'),
        ('refused', 'planned')
    ) then
        return new;
    end if;
    raise exception 'effect % cannot go from % to %', encode(old.key, 'hex'), old.state, new.state
        using errcode = 'check_violation';
end $$;

-- A person's leave for one effect, bound to the digest of the exact request. An effect happens once, so the leave is used
-- once; it has to be used for the first time before it expires.
create table approval (
    id bigint generated always as identity primary key,
    effect_key bytea not null references effect,
    run_id uuid not null references run,
    digest bytea not null check (octet_length(digest) = 32),
    why text not null,
    people smallint not null default 1 check (people between 1 and 5),
    state text not null default 'pending' check (state in ('pending', 'approved', 'denied')),
    said jsonb not null default '[]' check (jsonb_typeof(said) = 'array'),
    asked_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    check (used_at is null or state = 'approved')
);
create unique index approval_open on approval (effect_key) where state <> 'denied';
create index approval_pending on approval (asked_at) where state = 'pending';

-- What all workers know of a tool; `*` stands for all of them. A tool without a row is in service and well.
create table tool_state (
    tool text primary key check (char_length(tool) between 1 and 64),
    switched_off text check (switched_off <> ''),
    failures integer not null default 0,
    trips integer not null default 0,
    open_until timestamptz,
    probe_until timestamptz,
    last_error text,
    changed_at timestamptz not null default now()
) with (fillfactor = 50);

-- Who put a tool in or out of service. Append-only.
create table tool_event (
    id bigint generated always as identity primary key,
    tool text not null,
    at timestamptz not null default now(),
    what text not null,
    detail jsonb not null default '{}'
);

-- Token buckets that all workers share: `level` tokens were there at `at`, after the last caller was `granted` one or not.
create table bucket (
    name text primary key check (char_length(name) between 1 and 300),
    level double precision not null,
    at timestamptz not null default clock_timestamp(),
    granted boolean not null default false,
    blocked_until timestamptz
) with (fillfactor = 50);

-- What the other systems know (projects, labels, users, ...), fetched now and then by the process that leads the relay.
create table tool_values (
    tool text primary key,
    content jsonb not null,
    fetched_at timestamptz not null default now()
);

-- Two objects with one key, found by the sweep: a broken promise.
create table duplicate (
    tool text not null,
    key text not null,
    remote_ids text[] not null,
    found_at timestamptz not null default now(),
    primary key (tool, key)
);
