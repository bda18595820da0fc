-- Gives a dead or held run a new set of attempts. A refused effect is planned again: a person says so. An outcome that only
-- a person can find out (an unknown one, of a tool without key and marker) is never sent again by this.
with freed as (
    update run set status = 'active', attempt = 0, losses = 0, due = now(), ring_at = now(), rings = 0, reason = null, waits_on = null
    where id = %(run_id)s and status in ('dead', 'held') and not exists (
        select from effect
        where run_id = run.id and state = 'unknown' and (
            tool_class = 'blind' or (tool_class = 'windowed' and now() + timeout >= first_sent_at + key_window)))
    returning id
), planned as (
    update effect set state = 'planned', error = null, first_sent_at = null from freed
    where effect.run_id = freed.id and effect.state = 'refused'
), told as (
    insert into event (run_id, what, detail) select id, 'redriven', %(detail)s from freed
)
select run.status, exists (select from effect where run_id = run.id and state = 'unknown') as unknown,
    freed.id is not null as changed
from run left join freed using (id) where run.id = %(run_id)s
