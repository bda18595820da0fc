-- Saves the decision, plans the ticket's effect and moves the checkpoint, if the claim still holds.
-- With a next_claim_id the same commit claims the next stage, as claim_effect would, unless the run was cancelled: the effect
-- is `sending` at once, and a worker that dies right after this leaves what one leaves that dies after claim_effect.
-- The claim's id stands for its fence: it is unique to the claim, and stays true when a repeated claim statement raised the
-- fence twice.
-- Repeated after a broken connection it finds its own attempt row and answers as the first time. While the first try is
-- still under way in its backend, this finds nothing: the store then asks once more.
with done as (
    update run set
        checkpoint = 'triaged', losses = 0, step = coalesce(%(next_number)s::smallint, step), reason = null, waits_on = null,
        fence = fence + (status = 'active' and %(next_claim_id)s::uuid is not null)::int,
        attempt = (status = 'active' and %(next_claim_id)s::uuid is not null)::int,
        claim_id = case when (status = 'active' and %(next_claim_id)s::uuid is not null) then %(next_claim_id)s::uuid end,
        claimed_by = case when (status = 'active' and %(next_claim_id)s::uuid is not null) then %(process_id)s::uuid end,
        claim_until = case when (status = 'active' and %(next_claim_id)s::uuid is not null)
            then now() + %(next_timeout)s::interval + %(limit)s::interval end
    where id = %(run_id)s and claim_id = %(claim_id)s
    returning id, status, fence, claim_id
), decided as (
    insert into decision (run_id, kind, severity, decided_by, content)
    select id, %(kind)s, %(severity)s, %(decided_by)s, %(decision)s from done
), planned as (
    insert into effect (key, run_id, stage, number, policy, tool, target, tool_class, timeout, quarantine, key_window, content,
        state, claim_id, first_sent_at, sent_at, deadline)
    select %(next_key)s::bytea, id, %(next_stage)s, %(next_number)s, %(policy)s, %(next_tool)s, %(next_target)s, %(next_tool_class)s,
        %(next_timeout)s::interval, %(next_quarantine)s, %(next_key_window)s, %(next_content)s,
        case when claim_id is null then 'planned' else 'sending' end, claim_id,
        case when claim_id is not null then now() end, case when claim_id is not null then now() end,
        case when claim_id is not null then now() + %(next_timeout)s::interval end
    from done
), tried as (
    insert into attempt (run_id, fence, stage, number, process_id, outcome, seconds, trace)
    select id, %(fence)s, 'triage', %(number)s, %(process_id)s, 'finished', %(seconds)s, %(trace)s from done
)
select status, fence, claim_id is not null as carried from done
union all
select run.status, run.fence, run.claim_id is not distinct from %(next_claim_id)s::uuid and run.claim_id is not null
from attempt join run on run.id = attempt.run_id
where attempt.run_id = %(run_id)s and attempt.fence = %(fence)s and attempt.outcome = 'finished'
