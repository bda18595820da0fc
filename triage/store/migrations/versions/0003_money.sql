-- What asking a language model may cost, and what it did cost. All amounts are whole millionths of a US dollar.

-- One ask of a model, made before its first byte leaves. `reserved` is the most that it can cost. Until it is settled it
-- counts as spent, also for ever when its worker died: what a bill says later settles it.
create table reservation (
    id uuid primary key,
    run_id uuid not null references run,
    fence bigint not null,
    source text not null,
    day date not null,
    model text not null check (char_length(model) between 1 and 200),
    prompt text not null check (char_length(prompt) between 1 and 200),
    question bytea not null check (octet_length(question) = 32),
    reserved bigint not null check (reserved >= 0),
    made_at timestamptz not null default now(),
    expires_at timestamptz not null,
    settled_at timestamptz,
    spent bigint check (spent >= 0),
    requests smallint check (requests >= 0),
    input_tokens integer check (input_tokens >= 0),
    output_tokens integer check (output_tokens >= 0),
    cached_tokens integer check (cached_tokens >= 0),
    reasoning_tokens integer check (reasoning_tokens >= 0),
    answer jsonb check (jsonb_typeof(answer) = 'object'),
    check ((settled_at is null) = (spent is null)),
    check (answer is null or settled_at is not null)
) with (fillfactor = 80);
create index reservation_run on reservation (run_id);
create index reservation_day on reservation (day);
create index reservation_open on reservation (expires_at) where settled_at is null;

-- What is taken out of each budget: the sum over its shards. A shard alone means nothing and may be below zero.
create table budget (
    scope text not null check (scope in ('source', 'day', 'month', 'total')),
    name text not null default '',
    since date not null,
    shard smallint not null,
    taken bigint not null default 0,
    primary key (scope, name, since, shard)
) with (fillfactor = 50);

create function money_taken(of_scope text, of_name text, of_since date) returns bigint language sql volatile as $$
    select coalesce(sum(taken), 0)::bigint from budget where scope = of_scope and name = of_name and since = of_since
$$;

create function money_run_taken(of_run uuid) returns bigint language sql volatile as $$
    select coalesce(sum(coalesce(spent, reserved)), 0)::bigint from reservation where run_id = of_run
$$;

-- The first budget that `amount` does not fit into while `spare` of it stays free; null if it fits into all.
create function money_refusal(
    of_run uuid, of_source text, of_day date, amount bigint, spare bigint, limits bigint[]
) returns text language sql volatile as $$
    select case
        when amount > limits[1] - money_run_taken(of_run) then 'run'
        when amount + spare > limits[2] - money_taken('source', of_source, of_day) then 'source'
        when amount + spare > limits[3] - money_taken('day', '', of_day) then 'day'
        when amount + spare > limits[4] - money_taken('month', '', date_trunc('month', of_day)::date) then 'month'
        when amount + spare > limits[5] - money_taken('total', '', '-infinity') then 'total'
    end
$$;

-- Adds to the budgets of a source and a day, in a shard that is mostly this connection's own, always in the same order.
create function money_count(of_source text, of_day date, amount bigint) returns void language sql volatile as $$
    insert into budget (scope, name, since, shard, taken)
    select scope, name, since, pg_backend_pid() % 16, amount
    from (values (1, 'source', of_source, of_day), (2, 'day', '', of_day),
        (3, 'month', '', date_trunc('month', of_day)::date), (4, 'total', '', '-infinity'::date)
    ) as kinds (rank, scope, name, since)
    order by rank
    on conflict (scope, name, since, shard) do update set taken = budget.taken + excluded.taken
$$;

-- Reserves `amount`, unless a budget has no room for it; never passes a limit, however many do this at once.
--
-- No row is shared by those who reserve. Each sums the shards and adds to one of its own. Two that do so at once do not
-- see one another, so that is only allowed while there is `spare` room for all that can be under way: one transaction a
-- connection, each of at most `small`. Take, of all that were admitted so, the one that looked last. It saw all the
-- others but those still under way when it looked, and left room for these. So the limit holds. Nearer to it, or for
-- more than `small`, one reserves alone, with the lock held to the end of the commit, and sees all.
--
-- `verdict` is reserved, a budget's name, `answered` (this run was already told the answer to this question), `lost`
-- (the claim is another worker's by now) or `crowded` (room went away in this instant: ask again, `alone`).
create function money_reserve(
    reservation_id uuid, of_run uuid, of_claim uuid, of_fence bigint, of_model text, of_prompt text, of_question bytea,
    amount bigint, lifetime interval, limits bigint[], alone boolean, out verdict text, out answer jsonb
) language plpgsql as $$
#variable_conflict use_column
declare
    gate constant bigint := 7491033016;
    small constant bigint := 50000;
    spare constant bigint := small * current_setting('max_connections')::bigint;
    today constant date := (now() at time zone 'UTC')::date;
    of_source text;
begin
    -- The lock keeps a claim from changing hands until this has committed: who comes next sees what was reserved here.
    select source into of_source from run where id = of_run and claim_id = of_claim for share;
    if not found then
        verdict := 'lost';
        return;
    end if;
    if exists (select from reservation where id = reservation_id) then
        verdict := 'reserved';
        return;
    end if;
    select old.answer into answer from reservation as old
        where old.run_id = of_run and old.question = of_question and old.answer is not null limit 1;
    if found then
        verdict := 'answered';
        return;
    end if;
    -- Without the lock this may miss others, so its yes means nothing; its no is good.
    verdict := money_refusal(of_run, of_source, today, amount, 0, limits);
    if verdict is not null then
        return;
    end if;
    if alone or amount > small or money_refusal(of_run, of_source, today, amount, spare, limits) is not null then
        perform pg_advisory_xact_lock(gate);
        verdict := money_refusal(of_run, of_source, today, amount, 0, limits);
    else
        perform pg_advisory_xact_lock_shared(gate);
        if money_refusal(of_run, of_source, today, amount, spare, limits) is not null then
            verdict := 'crowded';
        end if;
    end if;
    if verdict is not null then
        return;
    end if;
    insert into reservation (id, run_id, fence, source, day, model, prompt, question, reserved, expires_at)
        values (reservation_id, of_run, of_fence, of_source, today, of_model, of_prompt, of_question, amount, now() + lifetime)
        on conflict do nothing;
    if found then
        perform money_count(of_source, today, amount);
    end if;
    verdict := 'reserved';
end $$;
