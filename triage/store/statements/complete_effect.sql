-- Saves the effect's object, or that a guard refused it, plans the next effect if there is one, and moves the checkpoint,
-- if the claim still holds. A run cancelled while the call was under way keeps its status: what was done is recorded all the same.
-- With a next_claim_id the same commit claims the next stage; see complete_triage.
-- The claim's id stands for its fence: it is unique to the claim, and stays true when a repeated claim statement raised the
-- fence twice.
-- Repeated after a broken connection it finds its own attempt row and answers as the first time. While the first try is
-- still under way in its backend, this finds nothing: the store then asks once more.
with done as (
    update run set
        checkpoint = case when status = 'cancelled' and %(checkpoint)s = 'done' then 'notified' else %(checkpoint)s end,
        status = case when status = 'active' and %(checkpoint)s = 'done' then 'done' else status end,
        finished_at = case when %(checkpoint)s = 'done' then now() else finished_at end,
        losses = 0, step = coalesce(%(next_number)s::smallint, step), reason = case when status = 'cancelled' then reason end, waits_on = null,
        fence = fence + (status = 'active' and %(next_claim_id)s::uuid is not null)::int,
        attempt = (status = 'active' and %(next_claim_id)s::uuid is not null)::int,
        claim_id = case when (status = 'active' and %(next_claim_id)s::uuid is not null) then %(next_claim_id)s::uuid end,
        claimed_by = case when (status = 'active' and %(next_claim_id)s::uuid is not null) then %(process_id)s::uuid end,
        claim_until = case when (status = 'active' and %(next_claim_id)s::uuid is not null)
            then now() + %(next_timeout)s::interval + %(limit)s::interval end
    where id = %(run_id)s and claim_id = %(claim_id)s
    returning id, status, fence, claim_id
), confirmed as (
    update effect set state = %(state)s, remote_id = %(remote_id)s, remote_url = %(remote_url)s, error = %(refused)s,
        dropped = %(dropped)s
    from done where key = %(effect_key)s
), planned as (
    insert into effect (key, run_id, stage, number, policy, tool, target, tool_class, timeout, quarantine, key_window, content,
        state, claim_id, first_sent_at, sent_at, deadline)
    select %(next_key)s::bytea, id, %(next_stage)s, %(next_number)s, %(policy)s, %(next_tool)s, %(next_target)s, %(next_tool_class)s,
        %(next_timeout)s::interval, %(next_quarantine)s, %(next_key_window)s, %(next_content)s,
        case when claim_id is null then 'planned' else 'sending' end, claim_id,
        case when claim_id is not null then now() end, case when claim_id is not null then now() end,
        case when claim_id is not null then now() + %(next_timeout)s::interval end
    from done where %(next_key)s::bytea is not null
), tried as (
    insert into attempt (run_id, fence, stage, number, process_id, outcome, error, seconds, trace)
    select id, %(fence)s, %(stage)s, %(number)s, %(process_id)s, 'finished', %(refused)s, %(seconds)s, %(trace)s from done
)
select status, fence, claim_id is not null as carried from done
union all
select run.status, run.fence, run.claim_id is not distinct from %(next_claim_id)s::uuid and run.claim_id is not null
from attempt join run on run.id = attempt.run_id
where attempt.run_id = %(run_id)s and attempt.fence = %(fence)s and attempt.outcome = 'finished'
