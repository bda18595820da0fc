-- A process that ends in good order gives back what it still claims, so that nobody waits for its row to grow old.
with gone as (
    delete from process where id = %(process_id)s returning id
), left_behind as (
    update effect set state = 'unknown', not_before = deadline + quarantine
    from run join gone on run.claimed_by = gone.id
    where effect.run_id = run.id and effect.state = 'sending' and run.status = 'cancelled'
)
update run set ring_at = now() from gone where claimed_by = gone.id and status = 'active'
