-- A process that ends in good order gives back what it still claims, so that nobody waits for its row to grow old.
with gone as (
    delete from process where id = %(process_id)s returning id
)
update run set ring_at = now() from gone where claimed_by = gone.id and status = 'active'
