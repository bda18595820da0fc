-- Ends an attempt that did not finish its stage: try again at `due`, hold for a person, or give up; with what is now
-- known of the effect. Where a person has to give leave first, that is asked for in the same commit. A cancelled run
-- stays cancelled.
-- The claim's id stands for its fence: it is unique to the claim, and stays true when a repeated claim statement raised the
-- fence twice.
-- Repeated after a broken connection it finds its own attempt row and answers as the first time. While the first try is
-- still under way in its backend, this finds nothing: the store then asks once more.
with done as (
    update run set
        status = case when status = 'active' then %(status)s else status end,
        due = now() + %(delay)s,
        ring_at = now() + %(delay)s + %(grace)s,
        rings = 0,
        losses = 0,
        attempt = greatest(attempt - (not %(counted)s)::int, 0),
        reason = %(reason)s, waits_on = %(waits_on)s,
        claim_id = null, claimed_by = null, claim_until = null
    where id = %(run_id)s and claim_id = %(claim_id)s
    returning id, status
), known as (
    update effect set
        state = %(effect_state)s,
        error = %(reason)s,
        absences = %(absences)s,
        first_sent_at = case when %(effect_state)s = 'planned' then null else first_sent_at end,
        -- Never cuts a running quarantine short: the call may still be committed until it is over.
        not_before = case when %(effect_state)s = 'unknown' then greatest(now() + %(delay)s,
            case when state = 'sending' then deadline + quarantine else not_before end) else not_before end
    from done where key = %(effect_key)s::bytea
), asked as (
    insert into approval (effect_key, run_id, digest, why, people, expires_at)
    select %(effect_key)s::bytea, id, %(leave_digest)s, %(reason)s, %(leave_people)s, now() + %(leave_lifetime)s::interval
    from done where %(leave_digest)s::bytea is not null and status = 'held'
    on conflict (effect_key) where state <> 'denied' do update set
        digest = excluded.digest, why = excluded.why, people = excluded.people, expires_at = excluded.expires_at,
        state = 'pending', said = '[]', asked_at = now()
    -- What is asked for already stays as it is, with what was said to it.
    where approval.used_at is null and (approval.expires_at <= now() or approval.digest <> excluded.digest)
), tried as (
    insert into attempt (run_id, fence, stage, number, process_id, outcome, error, seconds, trace)
    select id, %(fence)s, %(stage)s, %(number)s, %(process_id)s, %(outcome)s, %(reason)s, %(seconds)s, %(trace)s from done
)
select status from done
union all
select run.status from attempt join run on run.id = attempt.run_id
where attempt.run_id = %(run_id)s and attempt.fence = %(fence)s and attempt.outcome = %(outcome)s
