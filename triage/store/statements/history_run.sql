-- Everything that happened to a run, in order. An effect's row holds only its last state; which attempt made it follows from
-- the order: each finished attempt of a stage ended that stage's next effect.
with tried as (
    select attempt.*, 1 + count(*) filter (where outcome = 'finished') over (
        partition by stage order by fence rows between unbounded preceding and 1 preceding) as step
    from attempt where run_id = %(run_id)s
), told (at, rank, what, stage, who, tool, outcome, reason, cost, link, detail) as (
    select created_at, 0, 'received', null, null, null, null, null, null::bigint, content ->> 'url', jsonb_build_object(
            'source', run.source, 'source_id', run.source_id, 'kind', report_kind, 'title', content ->> 'title',
            'parent', forked_from)
        from run left join report on report.run_id = run.id where run.id = %(run_id)s
    union all
    select made_at, 1, 'ask', 'triage', null, model,
            case when settled_at is not null then 'settled' when expires_at > now() then 'open' else 'unaccounted' end,
            null, coalesce(spent, reserved), null, jsonb_build_object('prompt', prompt, 'requests', requests,
            'input_tokens', input_tokens, 'output_tokens', output_tokens, 'settled_at', settled_at)
        from reservation where run_id = %(run_id)s
    union all
    select ended_at, 2, 'attempt', tried.stage, worker.name, effect.tool, outcome, tried.error, null,
            coalesce(nullif(remote_url, ''), remote_id), jsonb_build_object('seconds', seconds, 'attempt', tried.number,
            'target', target, 'dropped', to_jsonb(dropped), 'policy', policy, 'trace', tried.trace, 'decision', case
                when tried.stage = 'triage' and outcome = 'finished' then decision.content - 'summary' - 'prints' end)
        from tried
        left join worker on worker.process_id = tried.process_id
        left join effect on effect.run_id = tried.run_id and effect.stage = tried.stage and effect.number = tried.step
        left join decision on decision.run_id = tried.run_id
    union all
    select asked_at, 3, 'approval', effect.stage, null, tool, 'asked', why, null, null,
            jsonb_build_object('approval', id, 'people', people, 'expires_at', expires_at, 'digest', encode(digest, 'hex'))
        from approval join effect on effect.key = effect_key where approval.run_id = %(run_id)s
    union all
    select used_at, 3, 'approval', effect.stage, null, tool, 'used', why, null, null, jsonb_build_object('approval', id)
        from approval join effect on effect.key = effect_key where approval.run_id = %(run_id)s and used_at is not null
    union all
    select at, 4, 'event', null, detail ->> 'by', null, event.what, coalesce(nullif(detail ->> 'why', ''), detail ->> 'reason'),
            null, null, detail
        from event where run_id = %(run_id)s
    union all
    select sent_at, 5, 'call', stage, null, tool, state, error, null, null,
            jsonb_build_object('target', target, 'deadline', deadline, 'not_before', not_before)
        from effect where run_id = %(run_id)s and state in ('sending', 'unknown') and sent_at is not null
    union all
    (select tool_event.at, 6, 'tool', null, tool_event.detail ->> 'by', tool, tool_event.what,
            coalesce(nullif(tool_event.detail ->> 'why', ''), tool_event.detail ->> 'error'), null, null, tool_event.detail
        from run join tool_event on tool_event.at between run.created_at and coalesce(run.finished_at, now())
        where run.id = %(run_id)s
            and (tool = '*' or tool in (select tool from effect where effect.run_id = %(run_id)s))
        order by tool_event.at limit 50)
    union all
    select finished_at, 7, 'ended', null, null, null, status, reason, null, null, '{}'
        from run where id = %(run_id)s and status = 'done'
)
select at, what, stage, who, tool, outcome, reason, cost, link, detail from told order by at, rank limit %(limit)s
