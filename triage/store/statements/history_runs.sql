-- The runs that something happened to from `since` until `until`, in the order of what came first, each with what it was.
with touched as (
    select id as run_id, created_at as at from run where created_at >= %(since)s and created_at < %(until)s
    union all
    select run_id, ended_at from attempt where ended_at >= %(since)s and ended_at < %(until)s
    union all
    select run_id, at from event where at >= %(since)s and at < %(until)s
), firsts as materialized (
    select run_id, min(at) as at, count(*) over () as touched from touched group by run_id order by 2, 1 limit %(limit)s
)
select firsts.at, firsts.touched, run.id, run.source, run.source_id, left(report.content ->> 'title', 200) as title,
    run.status, run.created_at >= %(since)s and run.created_at < %(until)s as received,
    decision.kind, decision.severity, decision.decided_by,
    (select coalesce(nullif(remote_url, ''), remote_id) from effect
        where effect.run_id = run.id and stage = 'create_ticket' and state = 'confirmed' order by number desc limit 1) as ticket,
    (select coalesce(sum(coalesce(spent, reserved)), 0)::bigint from reservation
        where reservation.run_id = run.id and made_at >= %(since)s and made_at < %(until)s) as cost,
    (select json_agg(json_build_array(stage, outcome, error) order by fence) from attempt
        where attempt.run_id = run.id and ended_at >= %(since)s and ended_at < %(until)s) as tried,
    (select json_agg(json_build_array(event.what, event.detail ->> 'by') order by event.id) from event
        where event.run_id = run.id and event.at >= %(since)s and event.at < %(until)s) as events
from firsts
join run on run.id = firsts.run_id
left join report on report.run_id = run.id
left join decision on decision.run_id = run.id
order by firsts.at, run.id
