-- The claim of a stage with an effect. It commits "about to send" before the first byte leaves:
--   planned                                 → sending, deadline = now + the tool's timeout
--   sending or unknown, tool with a key     → sending again: the same request cannot make a second object
--   the same, tool whose owner takes repeats → sending again
--   sending by a dead process, other tools  → unknown until the quarantine after the deadline is over
-- The run's step says which of the stage's effects it is about. A leave that a person gave is used by the first "about to send".
-- The run's id stands where a join would do, so that every plan goes through an index however large the tables are.
-- Repeated after a broken connection it finds its own claim_id: nothing was sent under it, so it is `sending` again.
with old as (
    select * from run where id = %(run_id)s for update
), claimed as (
    update run set
        fence = old.fence + 1,
        attempt = old.attempt + (old.claim_id is null)::int,  -- a lost one does not count: it says nothing of the stage
        losses = old.losses + (old.claim_id is not null and old.claim_id <> %(claim_id)s)::int,
        claim_id = %(claim_id)s,
        claimed_by = %(process_id)s,
        claim_until = now() + effect.timeout + %(limit)s
    from old join effect on effect.run_id = %(run_id)s and effect.stage = %(stage)s and effect.number = old.step
    where run.id = %(run_id)s and old.status = 'active' and old.checkpoint = %(checkpoint)s and old.due <= now()
        and (old.claim_id is null or old.claim_id = %(claim_id)s or old.claim_until <= now()
            or not process_alive(old.claimed_by, %(ttl)s))
    returning run.id, run.fence, run.attempt, run.losses, run.step
), move as (
    select e.key, case
        when e.state = 'planned' then 'sending'
        when e.state not in ('sending', 'unknown') then e.state
        when e.state = 'sending' and e.claim_id = %(claim_id)s then 'sending'
        when e.tool_class in ('keyed', 'repeated') then 'sending'
        when e.tool_class = 'windowed' and now() + e.timeout < e.first_sent_at + e.key_window then 'sending'
        else 'unknown' end as state
    from effect e, claimed where e.run_id = %(run_id)s and e.stage = %(stage)s and e.number = claimed.step
    for update of e  -- reads the newest state, also when another transaction committed since this statement began
), moved as (
    update effect set
        state = move.state,
        claim_id = %(claim_id)s,
        policy = %(policy)s,
        first_sent_at = case when move.state = 'sending' then coalesce(effect.first_sent_at, now())
            else effect.first_sent_at end,
        sent_at = case when move.state = 'sending' then now() else effect.sent_at end,
        deadline = case when move.state = 'sending' then now() + effect.timeout else effect.deadline end,
        not_before = case when effect.state = 'sending' and move.state = 'unknown'
            then effect.deadline + effect.quarantine else effect.not_before end
    from move where effect.key = move.key
    returning effect.*
), leave_used as (
    update approval set used_at = coalesce(used_at, now())
    from moved where effect_key = moved.key and moved.state = 'sending' and approval.state = 'approved'
        and (used_at is not null or expires_at > now())
    returning approval.id, digest
), lost as (
    insert into attempt (run_id, fence, stage, number, process_id, outcome)
    select old.id, old.fence, %(stage)s, old.attempt, old.claimed_by, 'lost'
    from claimed join old using (id) where old.claim_id <> %(claim_id)s
    on conflict do nothing
)
select run.status, run.checkpoint, run.key, claimed.fence, claimed.attempt, claimed.losses, decision.content as decision,
    moved.key as effect_key, moved.tool, moved.tool_class, moved.target, moved.content, moved.state, moved.absences,
    moved.timeout, coalesce(moved.first_sent_at < moved.sent_at, false) as resent, moved.remote_id, moved.remote_url,
    greatest(moved.not_before - now(), interval '0') as wait, moved.quarantine, moved.number, moved.error as effect_error, now() - moved.first_sent_at as age,
    leave_used.id as approval_id, leave_used.digest as approval_digest,
    (select json_agg(json_build_object('stage', stage, 'tool', tool, 'id', remote_id, 'url', remote_url) order by sent_at)
        from effect where claimed.id is not null and run_id = %(run_id)s and state = 'confirmed') as made
from run
left join claimed on true
left join moved on true
left join leave_used on true
left join decision on decision.run_id = %(run_id)s and claimed.id is not null
where run.id = %(run_id)s
