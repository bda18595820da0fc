-- Removes processes that were not seen in time and makes what they claimed due to be rung at once. Their claims end
-- because their row is gone; the claim that follows decides what became of an effect. Messages that such a process had
-- taken, or was to bring back later, died with it, and nobody knows which: what was rung and not claimed is due again.
with gone as (
    delete from process where not process_alive(id, %(ttl)s) returning id, name
), freed as (
    update run set ring_at = least(ring_at, greatest(due, now()))
    from gone where claimed_by = gone.id and status = 'active'
), adrift as (
    update run set ring_at = greatest(due, now()), rings = 0
    where status = 'active' and ring_at > greatest(due, now()) and exists (select from gone)
        and (claim_id is null or not exists (select from process where process.id = run.claimed_by))
), left_behind as (
    update effect set state = 'unknown', not_before = deadline + quarantine
    from run join gone on run.claimed_by = gone.id
    where effect.run_id = run.id and effect.state = 'sending' and run.status = 'cancelled'
)
select id, name from gone
