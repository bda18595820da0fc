-- The state of every run. Illegal states are refused here, not only in code.

create table run (
    id uuid primary key,
    key bytea not null unique check (octet_length(key) = 32),
    source text not null check (source ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    source_id text not null check (char_length(source_id) between 1 and 200),
    report_kind text not null check (report_kind ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    priority smallint not null default 0 check (priority between 0 and 9),
    checkpoint text not null default 'received'
        check (checkpoint in ('received', 'triaged', 'ticket_created', 'notified', 'done')),
    status text not null default 'active' check (status in ('active', 'held', 'dead', 'cancelled', 'done')),
    due timestamptz not null default now(),
    ring_at timestamptz not null default now(),
    rings smallint not null default 0,
    attempt smallint not null default 0,
    losses smallint not null default 0,
    trace text,
    fence bigint not null default 0,
    claim_id uuid,
    claimed_by uuid,
    claim_until timestamptz,
    reason text,
    waits_on text check (waits_on in ('relay', 'tool', 'quarantine', 'person')),
    forked_from uuid references run,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    check (ring_at >= due),
    check ((status = 'done') = (checkpoint = 'done')),
    check ((claim_id is null) = (claimed_by is null) and (claim_id is null) = (claim_until is null)),
    check (claim_id is null or status in ('active', 'cancelled')),
    check (status not in ('held', 'dead') or reason is not null),
    check (status <> 'held' or waits_on = 'person')
) with (fillfactor = 60);  -- a run's row is updated about seven times: room for HOT updates on its page

-- What the relay reads: it holds unfinished runs only, and no column of it changes in claims and completions but the last.
create index run_ring on run ((-priority), source, ring_at) where status = 'active';
create index run_newest on run (created_at desc, id desc);
create index run_needs_person on run (status, created_at desc) where status in ('held', 'dead');

-- Bulky texts, written once.
create table report (
    run_id uuid primary key references run,
    content jsonb not null check (
        jsonb_typeof(content) = 'object' and octet_length(content::text) <= 1000000
    )
);

create table decision (
    run_id uuid primary key references run,
    kind text not null,
    severity text not null,
    decided_by text not null,
    content jsonb not null check (jsonb_typeof(content) = 'object')
);

-- One try of a stage, written when it ended; a try whose process died is written by whoever claims the run next.
create table attempt (
    run_id uuid not null references run,
    fence bigint not null,
    stage text not null check (stage in ('triage', 'create_ticket', 'notify')),
    number smallint not null,
    process_id uuid not null,
    outcome text not null check (outcome in ('finished', 'retry', 'held', 'dead', 'lost')),
    error text,
    seconds real check (seconds >= 0),
    ended_at timestamptz not null default now(),
    primary key (run_id, fence),
    check (outcome in ('finished', 'lost') or error is not null)
);

-- One outbound call that changes something.
create table effect (
    key bytea primary key check (octet_length(key) = 32),
    run_id uuid not null references run,
    stage text not null check (stage in ('create_ticket', 'notify')),
    tool text not null,
    target text not null,
    tool_class text not null check (tool_class in ('keyed', 'windowed', 'findable', 'blind')),
    timeout interval not null check (timeout > interval '0'),
    quarantine interval not null check (quarantine >= interval '0'),
    key_window interval check (key_window > timeout),
    content jsonb not null check (jsonb_typeof(content) = 'object'),
    state text not null default 'planned' check (state in ('planned', 'sending', 'confirmed', 'refused', 'unknown')),
    claim_id uuid,
    first_sent_at timestamptz,
    sent_at timestamptz,
    deadline timestamptz,
    not_before timestamptz,
    absences smallint not null default 0,
    remote_id text,
    remote_url text,
    error text,
    unique (run_id, stage),
    check ((tool_class = 'windowed') = (key_window is not null)),
    check (state <> 'sending' or (claim_id is not null and sent_at is not null and deadline is not null)),
    check (state <> 'confirmed' or remote_id is not null),
    check (state <> 'unknown' or not_before is not null),
    check (state <> 'refused' or error is not null)
) with (fillfactor = 70);

-- What a person did, or what befell a run outside an attempt. Append-only.
create table event (
    id bigint generated always as identity primary key,
    run_id uuid not null references run,
    at timestamptz not null default now(),
    what text not null,
    detail jsonb not null default '{}'
);
create index event_run on event (run_id, id);

-- One row a worker process, kept alive by it; a claim holds while its process is alive.
create table process (
    id uuid primary key,
    name text not null,
    pid integer not null,
    stages text[] not null,
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
) with (fillfactor = 50);

-- A process is alive while it is seen. After the database itself was away, nobody could be seen for a while: then every
-- process gets a whole `ttl` from the database's start, or else live workers would lose the calls they are in.
create function process_alive(process_id uuid, ttl interval) returns boolean language sql stable as $$
    select exists (
        select from process
        where id = process_id and (seen_at > now() - ttl or pg_postmaster_start_time() > now() - ttl)
    )
$$;

-- Which process's relay rings; a lease, so that a paused one cannot keep it.
create table relay (
    id boolean primary key default true check (id),
    process_id uuid,
    until timestamptz not null default '-infinity',
    broker_token text
) with (fillfactor = 50);
insert into relay default values;

-- The local tracker and the local inbox: real tools with a permanent key of their own.
create table local_ticket (
    id bigint generated always as identity primary key,
    key bytea not null unique check (octet_length(key) = 32),
    target text not null,
    content jsonb not null,
    created_at timestamptz not null default now()
);
create table local_notice (
    id bigint generated always as identity primary key,
    key bytea not null unique check (octet_length(key) = 32),
    target text not null,
    content jsonb not null,
    created_at timestamptz not null default now()
);

create function effect_move() returns trigger language plpgsql as $$
begin
    if new.state = old.state or (old.state, new.state) in (
        ('planned', 'sending'),
        ('sending', 'confirmed'), ('sending', 'refused'), ('sending', 'planned'), ('sending', 'unknown'),
        ('unknown', 'sending'), ('unknown', 'confirmed'), ('unknown', 'planned'),
        ('refused', 'planned')
    ) then
        return new;
    end if;
    raise exception 'effect % cannot go from % to %', encode(old.key, 'hex'), old.state, new.state
        using errcode = 'check_violation';
end $$;
create trigger effect_move before update on effect
    for each row when (old.state <> new.state) execute function effect_move();

-- Time-ordered ids (RFC 9562, version 7), on servers that have no function of their own for it.
create function triage_uuid7() returns uuid language sql volatile as $$
    select encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                from 1 for 6),
            52, 1), 53, 1), 'hex')::uuid
$$;

-- The idempotency key: SHA-256 over canonical JSON, byte for byte what `Report.key` computes.
create function triage_key(source text, source_id text, kind text) returns bytea language sql immutable strict as $$
    select sha256(convert_to(
        '{"kind":' || to_json(kind) || ',"source":' || to_json(source) || ',"source_id":' || to_json(source_id) || '}',
        'UTF8'))
$$;

-- The way in, for the product's own client and for other services inside their own transactions:
--     select run_id, created from triage_submit('{"source": "crm", "source_id": "42", "title": "It broke"}');
-- Two concurrent submitters of one report: `on conflict do nothing` waits for the first to commit, and only a new
-- statement can then see its row; hence the loop.
create function triage_submit(report jsonb, trace text default null, out run_id uuid, out created boolean) language plpgsql as $$
#variable_conflict use_column
declare
    report_kind text := coalesce(report ->> 'kind', 'bug');
    run_key bytea := triage_key(report ->> 'source', report ->> 'source_id', report_kind);
begin
    if run_key is null then
        raise exception 'triage_submit: source and source_id must be given' using errcode = 'check_violation';
    end if;
    if coalesce(jsonb_typeof(report -> 'title'), '') <> 'string' then
        raise exception 'triage_submit: title must be a string' using errcode = 'check_violation';
    end if;
    loop
        select id into run_id from run where key = run_key;
        if found then
            created := false;
            return;
        end if;
        insert into run (id, key, source, source_id, report_kind, priority, trace)
            values (triage_uuid7(), run_key, report ->> 'source', report ->> 'source_id', report_kind,
                coalesce((report ->> 'priority')::smallint, 0), triage_submit.trace)
            on conflict (key) do nothing returning id into run_id;
        if found then
            insert into report (run_id, content) values (triage_submit.run_id, report);
            perform pg_notify('triage_due', '');  -- a hint to the relay; the row is the truth
            created := true;
            return;
        end if;
    end loop;
end $$;
