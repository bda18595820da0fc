-- Takes or keeps the relay's lease; no row when another process's relay leads.
with async as materialized (
    select set_config('synchronous_commit', 'off', true)
)
update relay set process_id = %(process_id)s, until = now() + %(lease)s
from async where process_id = %(process_id)s or until <= now()
returning broker_token
