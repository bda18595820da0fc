-- Runs that came past their ticket, the newest first, between two places in the order of filing; null: from as long ago as
-- counts, and until a moment ago, since a commit is seen a little after the time that stands in it. Reads only.
-- Where no ticket was filed (a comment, a dry run) title and body are empty: the reader gets on without it.
with page as materialized (
    select run_id, ended_at from attempt
    where stage = 'create_ticket' and outcome = 'finished'
        and (ended_at, run_id) > (
            coalesce(%(after)s::timestamptz, now() - %(recent)s::interval),
            coalesce(%(after_id)s::uuid, '00000000-0000-0000-0000-000000000000'))
        and (ended_at, run_id) < (
            coalesce(%(before)s::timestamptz, now() - %(lag)s::interval),
            coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    order by ended_at desc, run_id desc
    limit %(limit)s
), ticket as (
    select page.run_id, decision.content ->> 'title' as title, left(report.content ->> 'body', 20000) as body
    from page
    -- The second effect of the stage is the ticket that was filed because the original's was gone.
    join effect on effect.run_id = page.run_id and stage = 'create_ticket'
    join decision on decision.run_id = page.run_id
    join report on report.run_id = page.run_id
    where state = 'confirmed' and remote_id <> 'dry-run'
        and (number = 2 or coalesce(decision.content -> 'same_as', 'null') = 'null')
)
select page.run_id, ended_at as filed_at, coalesce(title, '') as title, coalesce(body, '') as body
from page left join ticket using (run_id)
order by ended_at desc, page.run_id desc
