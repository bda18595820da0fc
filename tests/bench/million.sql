-- A batch of runs, numbered from `first` to `last` of `runs`, over the last 30 days in the order of their numbers. Every
-- value follows from the number. Of the last `unfinished` ones twelve in twenty are active, five held, three dead.
drop table if exists made;

create unlogged table made as
select n, created_at, status,
    (lpad(to_hex((extract(epoch from created_at) * 1000)::bigint), 12, '0') || '7'
        || lpad(to_hex(n %% 4096), 3, '0') || '8' || substr(md5(n::text), 1, 15))::uuid as id,
    (array['crm', 'crm', 'crm', 'sentry', 'sentry', 'support-mail', 'support-mail', 'web', 'app', 'forum', 'partner', 'sales'])
        [1 + n %% 12] as source,
    (array['bug', 'crash', 'regression', 'performance', 'question', 'feature'])[1 + n %% 6] as kind,
    (array['low', 'medium', 'medium', 'high', 'high', 'critical'])[1 + (n / 7) %% 6] as severity,
    (array['Export', 'Login', 'Checkout', 'Search', 'Upload', 'Sync', 'Report', 'Invoice', 'Calendar', 'Settings', 'Import'])
        [1 + n %% 11] || ' '
    || (array['crashes', 'hangs', 'is slow', 'shows nothing', 'loses data', 'fails', 'is refused'])[1 + (n / 11) %% 7] || ' '
    || (array['on an empty list', 'after the update', 'in Firefox', 'on a phone', 'for large files', 'at night', 'without a network',
        'for guests'])[1 + (n / 77) %% 8] || ' ' || n as title,
    n %% 33 = 0 as repeated, n %% 20 = 0 as asked
from (
    select n, now() - interval '1 minute' - (%(runs)s::int - n) * (interval '30 days' / %(runs)s::int) as created_at,
        case when n <= %(runs)s::int - %(unfinished)s::int then case when n %% 200 = 0 then 'cancelled' else 'done' end
            when n %% 20 < 12 then 'active' when n %% 20 < 17 then 'held' else 'dead' end as status
    from generate_series(%(first)s::int, %(last)s::int) as n
) numbered;

insert into run (id, key, source, source_id, report_kind, checkpoint, status, due, ring_at, fence, attempt, reason, waits_on,
    created_at, finished_at)
select id, triage_key(source, n::text, 'bug'), source, n::text, 'bug',
    case status when 'done' then 'done' when 'active' then 'received' else 'triaged' end, status,
    created_at + interval '2 seconds', created_at + interval '2 seconds', case status when 'active' then 0 else 3 end, 1,
    case status when 'held' then 'tracker was called and its answer was lost; it cannot be asked' when 'dead'
        then (array['status 422: the project is archived', 'gave up after 20 attempts: ConnectError'])[1 + n %% 2]
        when 'cancelled' then 'cancelled by ops' end,
    case status when 'held' then 'person' when 'active' then 'relay' end, created_at,
    case when status in ('done', 'cancelled') then created_at + interval '2 seconds' end
from made order by n;

insert into worker values ('00000000-0000-0000-0000-000000000001', 'triage-worker-1:4242', 4242, now() - interval '31 days')
on conflict do nothing;

insert into report (run_id, content)
select id, jsonb_build_object('source', source, 'source_id', n::text, 'kind', 'bug', 'title', title, 'labels', '[]'::jsonb,
    'reporter', 'person' || n %% 5000 || '@example.com', 'url', '', 'priority', 0,
    'body', 'Since this morning: ' || title || '. Steps: open it, wait, see it go wrong. Expected: that it works.')
from made order by n;

insert into decision (run_id, kind, severity, decided_by, content)
select id, kind, severity, decided_by, jsonb_build_object('kind', kind, 'severity', severity, 'title', title, 'route', 'triage',
    'component', '', 'summary', '', 'labels', '[]'::jsonb, 'decided_by', decided_by, 'reason', 'crash in the title',
    'confidence', 0.9, 'versions', jsonb_build_object('rules', '7'))
from (select *, case when asked then 'llm' when n %% 3 = 0 then 'learned' else 'rules' end as decided_by from made) decided
where status <> 'active' order by n;

insert into attempt (run_id, fence, stage, number, process_id, outcome, error, seconds, ended_at)
select id, fence, stage, number, '00000000-0000-0000-0000-000000000001', outcome, error, seconds, created_at + after
from made, lateral (values
    (1, 'triage', 1, 'finished', null, 0.02 + (n %% 50) / 1000.0, interval '0.3 seconds', status <> 'active'),
    (2, 'create_ticket', 1, 'retry', case when n %% 66 = 0 then 'no whole answer: TimeoutError: timed out' else 'status 503' end,
        0.4, interval '0.8 seconds', repeated and status in ('done', 'dead')),
    (3, 'create_ticket', 2, case status when 'held' then 'held' when 'dead' then 'dead' else 'finished' end,
        case status when 'held' then 'tracker was called and its answer was lost; it cannot be asked'
            when 'dead' then 'status 422: the project is archived' end,
        0.1 + (n %% 400) / 1000.0, interval '1.4 seconds', status in ('done', 'held', 'dead')),
    (4, 'notify', 1, 'finished', null, 0.05 + (n %% 200) / 1000.0, interval '2 seconds', status = 'done')
) as tried (fence, stage, number, outcome, error, seconds, after, there)
where there order by n, fence;

insert into effect (key, run_id, stage, tool, target, tool_class, timeout, quarantine, content, state, claim_id, first_sent_at,
    sent_at, deadline, not_before, remote_id, remote_url, error)
select sha256(convert_to(id || stage, 'UTF8')), id, stage, tool, 'acme/shop', 'findable', '30 s', '1 min',
    jsonb_build_object('title', title), state, id, created_at + after, created_at + after, created_at + after + interval '30 s',
    case state when 'unknown' then created_at + interval '2 min' end, case state when 'confirmed' then n::text end,
    case state when 'confirmed' then 'https://tracker.example/' || tool || '/' || n end,
    case state when 'refused' then 'status 422: the project is archived' end
from made, lateral (values
    ('create_ticket', 'tracker', interval '0.4 seconds',
        case status when 'held' then 'unknown' when 'dead' then 'refused' when 'done' then 'confirmed' else 'planned' end,
        status <> 'active'),
    ('notify', 'notifier', interval '1.5 seconds', 'confirmed', status = 'done')
) as called (stage, tool, after, state, there)
where there order by n, stage;

insert into event (run_id, at, what, detail)
select id, created_at + interval '2 seconds', case status when 'cancelled' then 'cancelled' else 'retried' end, '{"by": "ops"}'
from made where status = 'cancelled' or n %% 1000 = 1 order by n;

insert into reservation (id, run_id, fence, source, day, model, prompt, question, reserved, made_at, expires_at, settled_at, spent,
    requests, input_tokens, output_tokens, cached_tokens, reasoning_tokens, seen)
select id, id, 1, source, created_at::date, 'gpt-5-mini', 'choose@3', sha256(convert_to(n::text, 'UTF8')), 5000, created_at,
    created_at + interval '5 min', created_at + interval '0.2 seconds', 900 + n %% 300, 1, 1500, 120, 0, 0,
    (pg_current_xact_id()::text)::bigint
from made where asked and status <> 'active' order by n;

drop table made;
