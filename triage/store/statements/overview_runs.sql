-- Unfinished runs by what they wait for; of each status no more than `crowd` are looked at. A held or dead run is due since
-- it was given up. Waiting means due, and nobody at work on it.
with unfinished as materialized (
    (select status, checkpoint, waits_on, claim_until, due from run where status = 'active' limit %(crowd)s)
    union all
    (select status, checkpoint, 'person', null, due from run where status = 'held' limit %(crowd)s)
    union all
    (select status, checkpoint, 'person', null, due from run where status = 'dead' limit %(crowd)s)
)
select status, checkpoint, case when claim_until > now() then 'worker' else coalesce(waits_on, 'relay') end as waits_on,
    count(*) as runs, greatest(now() - min(due), interval '0') as oldest
from unfinished
group by 1, 2, 3
order by 1, 2, 3
