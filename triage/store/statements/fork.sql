-- A new run of the same report that starts at a later stage with what the parent had before that stage. Its key, and so its
-- effects' keys, are its own: it files its own ticket or notice. Repeating it with the same key returns the same run.
with forked as (
    insert into run (id, key, source, source_id, report_kind, priority, checkpoint, forked_from)
    select triage_uuid7(), %(key)s, source, source_id, report_kind, priority, %(checkpoint)s, id
    from run where id = %(run_id)s
    on conflict (key) do nothing
    returning id
), reported as (
    insert into report (run_id, content)
    select forked.id, report.content from forked, report where report.run_id = %(run_id)s
), decided as (
    insert into decision (run_id, kind, severity, decided_by, content)
    select forked.id, kind, severity, decided_by, content
    from forked, decision where decision.run_id = %(run_id)s and %(checkpoint)s <> 'received'
), planned as (
    insert into effect (key, run_id, stage, tool, target, tool_class, timeout, quarantine, key_window, content)
    select %(effect_key)s::bytea, forked.id, stage, tool, target, tool_class, timeout, quarantine, key_window, content
    from forked, effect where effect.run_id = %(run_id)s and effect.stage = %(stage)s and effect.number = 1
), told as (
    insert into event (run_id, what, detail) select id, 'forked', %(detail)s from forked
)
select id, true as created from forked
union all
select id, false from run where key = %(key)s
