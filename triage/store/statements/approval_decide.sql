-- A person gives or denies leave for exactly the request with this digest. With enough of them the run goes on. A denial is
-- final for that effect: a ticket or a notice that may not be sent ends the run, a follow-up is left out.
-- Repeated, it finds that this person has spoken and changes nothing.
with decided as (
    update approval set
        said = said || jsonb_build_array(%(said)s::jsonb || jsonb_build_object('at', now())),
        state = case when not %(leave)s then 'denied'
            when jsonb_array_length(said) + 1 >= people then 'approved' else 'pending' end
    where id = %(id)s and state = 'pending' and expires_at > now() and digest = %(digest)s
        and exists (select from run where run.id = approval.run_id and run.status = 'held')
        and not jsonb_path_exists(said, '$[*] ? (@.by == $by)', jsonb_build_object('by', %(by)s::text))
    returning *
), refused as (
    update effect set state = 'refused', error = %(denial)s from decided
    where effect.key = decided.effect_key and decided.state = 'denied' and effect.state = 'planned'
    returning effect.run_id, effect.stage
), freed as (
    update run set
        status = case when decided.state = 'denied' and coalesce(refused.stage, '') <> 'follow_up' then 'dead'
            else 'active' end,
        reason = case when decided.state = 'denied' then %(denial)s end,
        attempt = 0, losses = 0, due = now(), ring_at = now(), rings = 0, waits_on = null
    from decided left join refused on true
    where run.id = decided.run_id and run.status = 'held' and decided.state <> 'pending'
    returning run.id
), told as (
    insert into event (run_id, what, detail)
    select run_id, case when %(leave)s then 'approved' else 'denied' end, %(said)s::jsonb || jsonb_build_object('approval', id)
    from decided
)
select approval.state, decided.id is not null as changed, decided.state as new_state, approval.expires_at <= now() as expired,
    approval.digest = %(digest)s as same, approval.people,
    jsonb_path_exists(approval.said, '$[*] ? (@.by == $by)', jsonb_build_object('by', %(by)s::text)) as spoken,
    (select status from run where run.id = approval.run_id) as run_status
from approval left join decided using (id) where approval.id = %(id)s
