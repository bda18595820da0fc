-- A person found out what became of an unknown outcome: it happened (the object's id is given), or it did not (no id).
-- "It did not" is refused while the quarantine runs: until then the other system may still commit the call.
-- With the fence that was looked at, a repetition cannot resolve a later unknown outcome of the same run by mistake.
with freed as (
    update run set status = 'active', attempt = 0, losses = 0, due = now(), ring_at = now(), rings = 0, reason = null, waits_on = null
    where id = %(run_id)s and status = 'held' and fence = coalesce(%(fence)s::bigint, fence)
        and exists (select from effect where run_id = run.id and state = 'unknown'
            and (%(remote_id)s::text is not null or not_before <= now()))
    returning id
), settled as (
    update effect set
        state = case when %(remote_id)s::text is null then 'planned' else 'confirmed' end,
        remote_id = %(remote_id)s, remote_url = %(remote_url)s, error = null, absences = 0, first_sent_at = null
    from freed where effect.run_id = freed.id and effect.state = 'unknown'
), told as (
    insert into event (run_id, what, detail) select id, 'resolved', %(detail)s from freed
)
select run.status, freed.id is not null as changed,
    (select max(not_before - now()) from effect where run_id = run.id and state = 'unknown') as wait
from run left join freed using (id) where run.id = %(run_id)s
