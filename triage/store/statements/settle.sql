-- Ends an attempt that did not finish its stage: try again at `due`, hold for a person, or give up; with what is now
-- known of the effect. A cancelled run stays cancelled.
-- Repeated after a broken connection it finds its own attempt row and answers as the first time.
with done as (
    update run set
        status = case when status = 'active' then %(status)s else status end,
        due = now() + %(delay)s,
        ring_at = now() + %(delay)s + %(grace)s,
        rings = 0,
        losses = 0,
        reason = %(reason)s, waits_on = %(waits_on)s,
        claim_id = null, claimed_by = null, claim_until = null
    where id = %(run_id)s and fence = %(fence)s and claim_id = %(claim_id)s
    returning id, status
), known as (
    update effect set
        state = %(effect_state)s,
        error = %(reason)s,
        absences = %(absences)s,
        first_sent_at = case when %(effect_state)s = 'planned' then null else first_sent_at end,
        not_before = case when %(effect_state)s = 'unknown' then now() + %(delay)s else not_before end
    from done where key = %(effect_key)s::bytea
), tried as (
    insert into attempt (run_id, fence, stage, number, process_id, outcome, error, seconds)
    select id, %(fence)s, %(stage)s, %(number)s, %(process_id)s, %(outcome)s, %(reason)s, %(seconds)s from done
)
select status from done
union all
select run.status from attempt join run on run.id = attempt.run_id
where attempt.run_id = %(run_id)s and attempt.fence = %(fence)s and attempt.outcome = %(outcome)s
