-- Saves the decision, plans the ticket's effect and moves the checkpoint, if the claim's fence still holds.
-- Repeated after a broken connection it finds its own attempt row and answers as the first time.
with done as (
    update run set
        checkpoint = 'triaged', attempt = 0, losses = 0, reason = null, waits_on = null,
        claim_id = null, claimed_by = null, claim_until = null
    where id = %(run_id)s and fence = %(fence)s and claim_id = %(claim_id)s
    returning id, status
), decided as (
    insert into decision (run_id, kind, severity, decided_by, content)
    select id, %(kind)s, %(severity)s, %(decided_by)s, %(decision)s from done
), planned as (
    insert into effect (key, run_id, stage, tool, target, tool_class, timeout, quarantine, key_window, content)
    select %(next_key)s, id, %(next_stage)s, %(next_tool)s, %(next_target)s, %(next_tool_class)s, %(next_timeout)s,
        %(next_quarantine)s, %(next_key_window)s, %(next_content)s from done
), tried as (
    insert into attempt (run_id, fence, stage, number, process_id, outcome, seconds)
    select id, %(fence)s, 'triage', %(number)s, %(process_id)s, 'finished', %(seconds)s from done
)
select status from done
union all
select run.status from attempt join run on run.id = attempt.run_id
where attempt.run_id = %(run_id)s and attempt.fence = %(fence)s and attempt.outcome = 'finished'
