-- The claim of the stage that changes nothing outside. Losing it is harmless, so it may commit asynchronously.
-- Repeated after a broken connection it finds its own claim_id and takes the claim again.
with async as materialized (
    select set_config('synchronous_commit', 'off', true)
), old as (
    select run.* from run, async where id = %(run_id)s for update of run
), claimed as (
    update run set
        fence = old.fence + 1,
        attempt = old.attempt + (old.claim_id is null)::int,  -- a lost one does not count: it says nothing of the stage
        losses = old.losses + (old.claim_id is not null and old.claim_id <> %(claim_id)s)::int,
        claim_id = %(claim_id)s,
        claimed_by = %(process_id)s,
        claim_until = now() + %(limit)s
    from old
    where run.id = %(run_id)s and old.status = 'active' and old.checkpoint = 'received' and old.due <= now()
        and (old.claim_id is null or old.claim_id = %(claim_id)s or old.claim_until <= now()
            or not process_alive(old.claimed_by, %(ttl)s))
    returning run.id, run.fence, run.attempt, run.losses
), lost as (
    insert into attempt (run_id, fence, stage, number, process_id, outcome)
    select old.id, old.fence, 'triage', old.attempt, old.claimed_by, 'lost'
    from claimed join old using (id) where old.claim_id <> %(claim_id)s
    on conflict do nothing
)
select run.status, run.checkpoint, run.key, claimed.fence, claimed.attempt, claimed.losses, report.content as report
from run
left join claimed on true
left join report on report.run_id = %(run_id)s and claimed.id is not null
where run.id = %(run_id)s
