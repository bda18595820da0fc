-- Budgets and rates for each reporter, so that a flood of one person's reports does not buy everybody's asks.

-- A reporter is the source's name and a hash: the books need not say who it is. Those of a source who are not named are
-- one reporter together. '' is an ask made before this migration, or by a worker of the version before.
alter table reservation add column reporter text not null default '';
create index reservation_reporter on reservation (reporter, made_at);
alter table budget drop constraint budget_scope_check;
alter table budget add constraint budget_scope_check check (scope in ('reporter', 'source', 'day', 'month', 'total'));

create function money_reporter(of_source text, reporter text) returns text language sql immutable as $$
    select of_source || '/' || case
        when coalesce(btrim(reporter), '') = '' then 'nobody'
        else left(encode(sha256(convert_to(of_source || '/' || lower(btrim(reporter)), 'UTF8')), 'hex'), 12)
    end
$$;

-- The asks of a reporter in the last hour; counted no further than `most`.
create function money_asks(of_reporter text, most bigint) returns bigint language sql volatile as $$
    select count(*) from (
        select from reservation where reporter = of_reporter and made_at > now() - interval '1 hour' limit most
    ) as asked
$$;

-- The limit of this reporter that another ask of `amount` does not fit into, while so many `others` of at most `small`
-- still fit beside it; null if it fits. limits[6] is money for a day, limits[7] is asks in an hour.
create function money_reporter_refusal(
    of_reporter text, of_day date, amount bigint, others bigint, small bigint, limits bigint[]
) returns text language sql volatile as $$
    select case
        when amount + others * small > limits[6] - money_taken('reporter', of_reporter, of_day) then 'reporter'
        when limits[7] is not null and money_asks(of_reporter, limits[7]) + others >= limits[7] then 'asks'
    end
$$;

-- As before, for a reporter too; workers of the version before name none.
drop function money_count(text, date, bigint);
create function money_count(of_source text, of_day date, amount bigint, of_reporter text default '') returns void
language sql volatile as $$
    insert into budget (scope, name, since, shard, taken)
    select scope, name, since, pg_backend_pid() % 16, amount
    from (values (1, 'reporter', of_reporter, of_day), (2, 'source', of_source, of_day), (3, 'day', '', of_day),
        (4, 'month', '', date_trunc('month', of_day)::date), (5, 'total', '', '-infinity'::date)
    ) as kinds (rank, scope, name, since)
    where scope <> 'reporter' or name <> ''
    order by rank
    on conflict (scope, name, since, shard) do update set taken = budget.taken + excluded.taken
$$;

-- As before, and by the same argument no limit of a reporter is passed: each reporter has a lock of his own, which is
-- shared while all that can be under way fits, and held alone nearer to his limits. His limits are mostly near, so his
-- asks are admitted one after the other; those of other reporters do not wait for them. The reporter's lock is always
-- taken before the one of all, so nobody waits in a circle.
create or replace function money_reserve(
    reservation_id uuid, of_run uuid, of_claim uuid, of_fence bigint, of_model text, of_prompt text, of_question bytea,
    amount bigint, lifetime interval, limits bigint[], alone boolean, out verdict text, out answer jsonb
) language plpgsql as $$
#variable_conflict use_column
declare
    gate constant bigint := 7491033016;
    small constant bigint := 50000;
    others constant bigint := current_setting('max_connections')::bigint;
    today constant date := (now() at time zone 'UTC')::date;
    of_source text;
    of_reporter text;
begin
    -- The lock keeps a claim from changing hands until this has committed: who comes next sees what was reserved here.
    select source, money_reporter(source, content ->> 'reporter') into of_source, of_reporter
        from run left join report on report.run_id = run.id
        where run.id = of_run and claim_id = of_claim for share of run;
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
    -- Without the locks these may miss others, so their yes means nothing; their no is good.
    verdict := coalesce(money_refusal(of_run, of_source, today, amount, 0, limits),
        money_reporter_refusal(of_reporter, today, amount, 0, small, limits));
    if verdict is not null then
        return;
    end if;
    if alone or amount > small
        or money_reporter_refusal(of_reporter, today, amount, others, small, limits) is not null then
        perform pg_advisory_xact_lock(hashtextextended(of_reporter, gate));
        verdict := money_reporter_refusal(of_reporter, today, amount, 0, small, limits);
    else
        perform pg_advisory_xact_lock_shared(hashtextextended(of_reporter, gate));
        if money_reporter_refusal(of_reporter, today, amount, others, small, limits) is not null then
            verdict := 'crowded';
        end if;
    end if;
    if verdict is not null then
        return;
    end if;
    if alone or amount > small or money_refusal(of_run, of_source, today, amount, others * small, limits) is not null then
        perform pg_advisory_xact_lock(gate);
        verdict := money_refusal(of_run, of_source, today, amount, 0, limits);
    else
        perform pg_advisory_xact_lock_shared(gate);
        if money_refusal(of_run, of_source, today, amount, others * small, limits) is not null then
            verdict := 'crowded';
        end if;
    end if;
    if verdict is not null then
        return;
    end if;
    insert into reservation (id, run_id, fence, source, reporter, day, model, prompt, question, reserved, expires_at)
        values (reservation_id, of_run, of_fence, of_source, of_reporter, today, of_model, of_prompt, of_question,
            amount, now() + lifetime)
        on conflict do nothing;
    if found then
        perform money_count(of_source, today, amount, of_reporter);
    end if;
    verdict := 'reserved';
end $$;
