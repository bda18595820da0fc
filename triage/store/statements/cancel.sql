-- Stops a run for good. An attempt under way ends as it ends, and what it did is recorded; nothing after it starts.
with stopped as (
    update run set status = 'cancelled', reason = %(reason)s, waits_on = null, finished_at = now()
    where id = %(run_id)s and status in ('active', 'held', 'dead')
    returning id
), told as (
    insert into event (run_id, what, detail) select id, 'cancelled', %(detail)s from stopped
)
select run.status, run.claim_id is not null as claimed, stopped.id is not null as changed
from run left join stopped using (id) where run.id = %(run_id)s
