-- Makes a waiting run due now. A quarantine is not cut short: the claim finds it and waits on.
with woken as (
    update run set due = now(), ring_at = now(), rings = 0
    where id = %(run_id)s and status = 'active' and claim_id is null
    returning id
), told as (
    insert into event (run_id, what, detail) select id, 'retried', %(detail)s from woken
)
select run.status, run.claim_id is not null as claimed, woken.id is not null as changed
from run left join woken using (id) where run.id = %(run_id)s
