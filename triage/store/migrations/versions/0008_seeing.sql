-- What pages, metrics and alerts read.

-- Which transaction wrote a row. A snapshot then tells exactly which rows it saw, also of those transactions that began
-- long before it and committed long after, so that what is counted by snapshots is counted once. 1: before this migration.
alter table run add column seen bigint not null default 1;
alter table run alter column seen set default (pg_current_xact_id()::text)::bigint;
alter table attempt add column seen bigint not null default 1;
alter table attempt alter column seen set default (pg_current_xact_id()::text)::bigint;
alter table event add column seen bigint not null default 1;
alter table event alter column seen set default (pg_current_xact_id()::text)::bigint;
-- Of a reservation it is the transaction that settled it, which happens once; a model's answer takes seconds, this a trigger.
alter table reservation add column seen bigint;
update reservation set seen = 1 where settled_at is not null;
create function reservation_settled() returns trigger language plpgsql as $$
begin
    new.seen := (pg_current_xact_id()::text)::bigint;
    return new;
end $$;
create trigger reservation_settled before update on reservation
    for each row when (old.settled_at is null and new.settled_at is not null) execute function reservation_settled();

-- What is new is at the right edge of these, and costs a writer a few microseconds.
create index run_seen on run (seen);
create index attempt_seen on attempt (seen);
create index event_seen on event (seen);
create index reservation_seen on reservation (seen) where seen is not null;
-- Rows are written in the order of time, so a few bytes for each 128 kB find them again.
create index attempt_when on attempt using brin (ended_at) with (pages_per_range = 16, autosummarize = on);
create index event_when on event using brin (at) with (pages_per_range = 16, autosummarize = on);
create index reservation_when on reservation using brin (made_at) with (pages_per_range = 16, autosummarize = on);
create index approval_asked on approval (asked_at);
create index tool_event_at on tool_event (at);
create index run_cancelled on run (finished_at) where status = 'cancelled';

-- How many runs were ever rung, counted in the statement that rings them.
alter table relay add column rung bigint not null default 0;

-- What happened, added up by the minute (which is not told by names, and holds what charts show), by the hour (UTC) and
-- since ever.
--   kind      name         stage   what                                            number       amount
--   run       source               received, done, held, dead, cancelled           runs
--   attempt   source       stage   finished, retry, held, dead, lost               attempts     seconds
--   seconds                stage   the least edge that is not below it, or +Inf    attempts     seconds
--   timeout                stage                                                   attempts
--   lasted                         the same, from creation to the end              done runs    seconds
--   refusal   tool         stage   the policy's line                               calls
--   effect    tool         stage   state at the end                                calls of done runs
--   decision  decided by           kind                                            decisions
--   model     model                asks, requests, input, output, cached,          asks, requests, tokens,
--                                  reasoning, cost                                 micro-USD
--   event                          what                                            events
create table tally (
    grain text not null check (grain in ('minute', 'hour', 'ever')),
    at timestamptz not null,
    kind text not null,
    name text not null,
    stage text not null,
    what text not null,
    number bigint not null,
    amount double precision not null,
    primary key (grain, kind, at, name, stage, what)
) with (fillfactor = 50);

-- Everything that `snapshot` saw is in the tally. Rows from before `since` count as seen, whatever wrote them: see tally_roll.
create table tally_mark (
    id boolean primary key default true check (id),
    snapshot pg_snapshot not null default '1:1:',
    since timestamptz not null default '-infinity',
    at timestamptz not null default '-infinity'
) with (fillfactor = 50);
insert into tally_mark default values;

create function tally_edge(seconds double precision, edges text) returns text language sql immutable as $$
    select coalesce((string_to_array(edges, ' '))[width_bucket(seconds, string_to_array(edges, ' ')::double precision[]) + 1],
        '+Inf')
$$;

-- What is not in the tally yet: the rows that this statement sees and `mark` did not. Names are kept apart for the first 400
-- that ever came; what comes later goes together as `other`, or else a source for each report would fill the tally.
create function tally_fresh(mark pg_snapshot, since timestamptz) returns table (
    at timestamptz, kind text, name text, stage text, what text, number bigint, amount double precision
) language sql stable set enable_seqscan = off as $$
    with began as materialized (
        select date_trunc('minute', created_at) as at, source
        from run
        where seen >= pg_snapshot_xmin(mark)::text::bigint and seen < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            and not pg_visible_in_snapshot(seen::text::xid8, mark) and created_at >= since
    ), tried as materialized (
        select date_trunc('minute', ended_at) as at, run_id, source, stage, outcome, error, coalesce(seconds, 0) as seconds,
            outcome = 'finished' and status = 'done' and finished_at = ended_at as ended,
            extract(epoch from finished_at - created_at)::double precision as lasted,
            left(substring(error from '\(([a-z_]+\.[a-z0-9_.]+)[^()]*\)$'), 64) as rule
        from attempt join run on run.id = attempt.run_id
        where attempt.seen >= pg_snapshot_xmin(mark)::text::bigint
            and attempt.seen < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            and not pg_visible_in_snapshot(attempt.seen::text::xid8, mark) and ended_at >= since
    ), told as materialized (
        select date_trunc('minute', event.at) as at, source, what, status
        from event join run on run.id = event.run_id
        where event.seen >= pg_snapshot_xmin(mark)::text::bigint
            and event.seen < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            and not pg_visible_in_snapshot(event.seen::text::xid8, mark) and event.at >= since
    ), paid as materialized (
        select date_trunc('minute', settled_at) as at, reservation.*
        from reservation
        where seen >= pg_snapshot_xmin(mark)::text::bigint and seen < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            and not pg_visible_in_snapshot(seen::text::xid8, mark) and settled_at >= since
    ), counted (at, kind, name, stage, what, number, amount) as (
        select at, 'run', source, '', 'received', count(*), 0::double precision from began group by 1, 3
        union all
        select at, 'run', source, '', case when ended then 'done' else outcome end, count(*), 0
            from tried where ended or outcome in ('held', 'dead') group by 1, 3, 5
        union all
        select at, 'run', source, '', case what when 'denied' then 'dead' else what end, count(*), 0
            from told where what = 'cancelled' or (what = 'denied' and status = 'dead') group by 1, 3, 5
        union all
        select at, 'attempt', source, stage, outcome, count(*), sum(seconds) from tried group by 1, 3, 4, 5
        union all
        select at, 'seconds', '', stage,
            tally_edge(seconds, '0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 300'), count(*), sum(seconds)
            from tried where outcome <> 'lost' group by 1, 4, 5
        union all
        select at, 'timeout', '', stage, '', count(*), 0 from tried
            where outcome <> 'finished' and error ~* '(timeout|timed out|deadline passed)' group by 1, 4
        union all
        select at, 'lasted', '', '',
            tally_edge(lasted, '1 5 10 30 60 120 300 600 900 1800 3600 7200 14400 28800 86400'), count(*), sum(lasted)
            from tried where ended group by 1, 5
        union all
        select at, 'refusal', coalesce(tool, ''), stage, rule, count(*), 0
            from tried left join lateral (
                select tool from effect
                where effect.run_id = tried.run_id and effect.stage = tried.stage and effect.error = tried.error limit 1
            ) refused on true
            where rule is not null and outcome in ('finished', 'dead') group by 1, 3, 4, 5
        union all
        select tried.at, 'effect', tool, effect.stage, state, count(*), 0
            from tried join effect using (run_id) where ended group by 1, 3, 4, 5
        union all
        select tried.at, 'decision', decided_by, '', decision.kind, count(*), 0
            from tried join decision using (run_id) where stage = 'triage' and outcome = 'finished' group by 1, 3, 5
        union all
        select at, 'model', model, '', told.what, sum(told.number), 0
            from paid, lateral (values ('asks', 1), ('requests', requests), ('input', input_tokens), ('output', output_tokens),
                ('cached', cached_tokens), ('reasoning', reasoning_tokens), ('cost', spent)) as told (what, number)
            where told.number is not null group by 1, 3, 5
        union all
        select at, 'event', '', '', what, count(*), 0 from told group by 1, 5
    ), named as (
        select counted.name, known.name is not null as known,
            row_number() over (partition by known.name is null order by min(at), counted.name) as place
        from counted left join (select distinct tally.name from tally where grain = 'ever') known using (name)
        group by counted.name, known.name
    ), named_apart as (
        select name from named
        where known or place <= 400 - (select count(distinct tally.name) from tally where grain = 'ever')
    )
    select at, kind, case when name in (select name from named_apart) then name else 'other' end,
        stage, what, sum(number)::bigint, sum(amount)::double precision
    from counted group by 1, 2, 3, 4, 5
$$;

-- Adds what is fresh to the tally and moves the mark, in one statement: killed anywhere, it has done both or neither.
-- Two at once: the second waits for the mark's row and then finds that it was moved after its own beginning; it does nothing.
-- So whoever goes on has a snapshot from after the last move, which saw all that the mark had seen.
-- A database that was restored from a dump lives in a cluster that counts transactions anew. Its mark is then ahead of them:
-- what came after the last move is counted now, by its time, and what is older than this statement never again.
create function tally_roll() returns bigint language sql volatile as $$
    with mark as materialized (
        select *, pg_snapshot_xmax(snapshot) > pg_snapshot_xmax(pg_current_snapshot()) as restored
        from tally_mark where at < now() for update
    ), fresh as materialized (
        select fresh.* from mark, lateral tally_fresh(
            case when restored then '1:1:' else snapshot end, case when restored then mark.at else since end) as fresh
    ), added as (
        insert into tally
        select grain, case grain when 'minute' then at when 'hour' then date_trunc('hour', at, 'UTC') else '-infinity' end,
            kind, case when grain <> 'minute' then name else '' end, stage, what, sum(number), sum(amount)
        from fresh, (values ('minute'), ('hour'), ('ever')) as grains (grain)
        where grain <> 'minute'
            or (kind in ('run', 'attempt', 'seconds', 'timeout', 'lasted', 'model') and at > now() - interval '2 days')
        group by 1, 2, 3, 4, 5, 6 order by 1, 3, 2, 4, 5, 6
        on conflict (grain, kind, at, name, stage, what) do update set
            number = tally.number + excluded.number, amount = tally.amount + excluded.amount
    ), moved as (
        update tally_mark set
            snapshot = pg_current_snapshot(), at = clock_timestamp(), since = case when restored then now() else mark.since end
        from mark where tally_mark.id = mark.id
    )
    select count(*) from fresh
$$;

-- The tally with what is not in it yet: what happened is seen at once, however long ago the last round was.
create function tally_read(of_grain text, of_kinds text[], first timestamptz, beyond timestamptz) returns setof tally
language sql stable as $$
    select * from tally where grain = of_grain and at >= first and at < beyond and kind = any (of_kinds)
    union all
    select of_grain, fresh.at, fresh.kind, name, stage, what, number, amount
    from tally_mark, lateral tally_fresh(
        case when pg_snapshot_xmax(snapshot) > pg_snapshot_xmax(pg_current_snapshot()) then '1:1:' else snapshot end,
        case when pg_snapshot_xmax(snapshot) > pg_snapshot_xmax(pg_current_snapshot()) then tally_mark.at else since end) as fresh
    where fresh.kind = any (of_kinds) and (of_grain = 'ever' or (fresh.at >= first and fresh.at < beyond))
$$;

select tally_roll();

-- Every worker process that ever was, so that attempts can be told by name long after its row in `process` is gone. A
-- process renews its row every second; this is written when the row is new.
create table worker (
    process_id uuid primary key,
    name text not null,
    pid integer not null,
    started_at timestamptz not null
);
insert into worker select id, name, pid, started_at from process;
create function process_began() returns trigger language plpgsql as $$
begin
    insert into worker values (new.id, new.name, new.pid, new.started_at) on conflict do nothing;
    return null;
end $$;
create trigger process_began after insert on process for each row execute function process_began();

-- Finding runs. What is looked for stands in the report, which is written once: an index over it leaves the run's updates
-- alone, and new entries go to the index's pending list first. Words are what stands between spaces and ASCII punctuation,
-- so that other scripts' letters count as letters in every locale. `@` marks a source, `#` a whole source id. Everything
-- is cut, since a report that comes by SQL may hold more than an index takes.
-- It calls nothing but built-in functions: indexes are built and analysed without ours on the search path.
create function report_words(content jsonb) returns tsvector language sql immutable parallel safe as $$
    select array_to_tsvector(array_remove(regexp_split_to_array(
            lower(left(coalesce(content ->> 'source_id', ''), 200) || ' ' || left(coalesce(content ->> 'title', ''), 500)),
            '[\x01-/:-@\[-`{-\x7f]+'), '')
        || array['@' || left(coalesce(content ->> 'source', ''), 64), '#' || lower(left(coalesce(content ->> 'source_id', ''), 200))])
$$;
create function report_lexeme(mark text, of_text text) returns tsquery language sql immutable parallel safe as $$
    select quote_literal(mark || lower(of_text))::tsquery
$$;
-- Every word from three letters on is looked for at the beginning of words; nothing is found by no words.
create function report_query(words text) returns tsquery language sql immutable parallel safe as $$
    select coalesce(string_agg(quote_literal(word) || case when char_length(word) > 2 then ':*' else '' end, ' & '), '')::tsquery
    from unnest(regexp_split_to_array(lower(left(words, 500)), '[\x01-/:-@\[-`{-\x7f]+')) as word where word <> ''
$$;
create index report_words on report using gin (report_words(content)) with (fastupdate = on);
-- Equality only, in a few bytes for each block; an update that changes these columns stays HOT (from PostgreSQL 16 on).
create index effect_remote on effect using brin (remote_id text_bloom_ops, remote_url text_bloom_ops)
    with (pages_per_range = 64, autosummarize = on);
create index run_forked on run (forked_from) where forked_from is not null;

-- The trace that an attempt was part of, as a W3C traceparent; null where nothing is traced.
alter table attempt add trace text;

-- Who is told what became of runs. Everything that `snapshot` saw was looked through for this webhook; a new one begins now.
create table webhook (
    name text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    snapshot pg_snapshot not null default pg_current_snapshot(),
    at timestamptz not null default clock_timestamp()
);

-- One thing that happened to one run, for one webhook: found once, told at least once. `occasion` is the attempt's fence or
-- the event's id that says so; a run can be held twice.
create table webhook_call (
    webhook text not null references webhook on delete cascade,
    run_id uuid not null references run,
    what text not null check (what in ('done', 'held', 'dead', 'over_budget')),
    occasion text not null check (occasion ~ '^[ae][0-9]+$'),
    at timestamptz not null,
    content jsonb not null check (jsonb_typeof(content) = 'object'),
    state text not null default 'waiting' check (state in ('waiting', 'told', 'given_up')),
    attempts smallint not null default 0,
    due timestamptz not null default now(),
    error text,
    changed_at timestamptz not null default now(),
    primary key (webhook, run_id, what, occasion),
    check (state <> 'given_up' or error is not null)
) with (fillfactor = 80);
create index webhook_call_due on webhook_call (webhook, due, at) where state = 'waiting';
create index webhook_call_ended on webhook_call (changed_at) where state <> 'waiting';

-- What this statement sees of runs' lives and `mark` did not. What a model was not asked for want of money stands in the
-- decision's reason.
create function webhook_fresh(mark pg_snapshot, since timestamptz) returns table (
    run_id uuid, what text, occasion text, at timestamptz, reason text
) language sql stable set enable_seqscan = off as $$
    with tried as materialized (
        select attempt.run_id, attempt.fence, stage, outcome, error, ended_at
        from attempt
        where attempt.seen >= pg_snapshot_xmin(mark)::text::bigint
            and attempt.seen < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            and not pg_visible_in_snapshot(attempt.seen::text::xid8, mark) and ended_at >= since
    )
    select tried.run_id, outcome, 'a' || fence, ended_at, error from tried where outcome in ('held', 'dead')
    union all
    select tried.run_id, 'done', 'a' || tried.fence, ended_at, null
    from tried join run on run.id = tried.run_id
    where outcome = 'finished' and run.status = 'done' and run.finished_at = tried.ended_at
    union all
    select tried.run_id, 'over_budget', 'a' || fence, ended_at, substring(content ->> 'reason' from 'no model was asked: .*')
    from tried join decision using (run_id)
    where stage = 'triage' and outcome = 'finished'
        and content ->> 'reason' like '%no model was asked: the budget of %'
    union all
    select event.run_id, 'dead', 'e' || event.id, event.at, run.reason
    from event join run on run.id = event.run_id
    where event.what = 'denied' and run.status = 'dead'
        and event.seen >= pg_snapshot_xmin(mark)::text::bigint
        and event.seen < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        and not pg_visible_in_snapshot(event.seen::text::xid8, mark) and event.at >= since
$$;

-- Who did what, page by page. Events are what people do: few, beside attempts.
create index event_newest on event (at desc, id desc);
create index tool_event_newest on tool_event (at desc, id desc);
