-- Stops a run for good. An attempt under way ends as it ends, and what it did is recorded; nothing after it starts.
-- If its process was reaped before, nobody else sees what it left behind: then the outcome is unknown from now on.
with stopped as (
    update run set status = 'cancelled', reason = %(reason)s, waits_on = null, finished_at = now()
    where id = %(run_id)s and status in ('active', 'held', 'dead')
    returning id
), left_behind as (
    update effect set state = 'unknown', not_before = deadline + quarantine
    from stopped join run using (id) where effect.run_id = run.id and effect.state = 'sending'
        and not exists (select from process where process.id = run.claimed_by)
), told as (
    insert into event (run_id, what, detail) select id, 'cancelled', %(detail)s from stopped
)
select run.status, run.claim_id is not null as claimed, stopped.id is not null as changed
from run left join stopped using (id) where run.id = %(run_id)s
