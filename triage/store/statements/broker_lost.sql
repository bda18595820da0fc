-- The broker was flushed or restarted: what was rung may be gone, so every rung run that nobody works on is due to be
-- rung again. The new token is saved with it: a crash in between repeats the whole.
with seen as (
    update relay set broker_token = %(token)s where broker_token is distinct from %(token)s returning id
)
update run set ring_at = greatest(due, now()), rings = 0
from seen where status = 'active' and rings > 0 and claim_id is null
