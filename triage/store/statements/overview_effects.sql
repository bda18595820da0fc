-- The calls of runs that are not done, by tool and state: those of runs that were done are in the tally. A run at its first
-- checkpoint has none. Of cancelled runs, those of the last week.
with unfinished as materialized (
    (select id from run where status = 'active' and checkpoint <> 'received' limit %(crowd)s)
    union all
    (select id from run where status in ('held', 'dead') limit %(crowd)s)
    union all
    (select id from run where status = 'cancelled' and finished_at > now() - interval '7 days' limit %(crowd)s)
)
select tool, state, count(*) as calls
from unfinished join effect on effect.run_id = unfinished.id
group by 1, 2
order by 1, 2
