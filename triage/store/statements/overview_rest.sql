-- Single numbers about what stands now. Money is what is taken out of today's and this month's budget, in micro-USD.
select now() as at,
    (select count(*) from approval join run on run.id = approval.run_id
        where approval.state = 'pending' and run.status = 'held') as approvals,
    (select count(*) from reservation where settled_at is null and expires_at <= now()) as unaccounted,
    (select coalesce(sum(taken), 0)::bigint from budget
        where scope = 'day' and since = (now() at time zone 'UTC')::date) as taken_today,
    (select coalesce(sum(taken), 0)::bigint from budget
        where scope = 'month' and since = date_trunc('month', (now() at time zone 'UTC')::date)::date) as taken_month,
    (select count(*) from duplicate) as duplicates,
    coalesce((select process.name from relay join process on process.id = relay.process_id where until > now()), '') as leader,
    (select rung from relay) as rings
