-- Who did what, the newest first: to runs, to tools, to the models in use. `kind` and `id` tell entries of one moment apart; a
-- page begins below the entry (`at`, `kind`, `id`) of the one before. What no person did has nobody (`who` is empty).
with below as (
    select coalesce(%(at)s::timestamptz, 'infinity') as at, %(kind)s::text as kind, %(id)s::bigint as id,
        coalesce(%(until)s::timestamptz, 'infinity') as until, coalesce(%(since)s::timestamptz, '-infinity') as since
), entries as (
    (select event.at, 'run' as kind, event.id, event.detail ->> 'by' as who, event.what, run_id::text as subject, event.detail
    from event, below
    where event.at <= below.at and (event.at < below.at or ('run', event.id) < (below.kind, below.id))
        and event.at >= below.since and event.at < below.until
        and (%(who)s = '' or position(lower(%(who)s) in lower(event.detail ->> 'by')) > 0) and (%(what)s = '' or event.what = %(what)s)
        and (%(about)s = '' or %(about)s = 'runs')
    order by event.at desc, event.id desc limit %(limit)s)
    union all
    (select tool_event.at, 'tool', tool_event.id, tool_event.detail ->> 'by', tool_event.what, tool, tool_event.detail
    from tool_event, below
    where tool_event.at <= below.at and (tool_event.at < below.at or ('tool', tool_event.id) < (below.kind, below.id))
        and tool_event.at >= below.since and tool_event.at < below.until
        and (%(who)s = '' or position(lower(%(who)s) in lower(tool_event.detail ->> 'by')) > 0) and (%(what)s = '' or what = %(what)s)
        and (%(about)s = '' or %(about)s = 'tools')
    order by tool_event.at desc, tool_event.id desc limit %(limit)s)
    union all
    (select model_use.at, 'model', number, by_whom, what, coalesce(version, 'none of the stored models'),
        jsonb_build_object('why', why)
    from model_use, below
    where model_use.at <= below.at and (model_use.at < below.at or ('model', number) < (below.kind, below.id))
        and model_use.at >= below.since and model_use.at < below.until
        and (%(who)s = '' or position(lower(%(who)s) in lower(by_whom)) > 0) and (%(what)s = '' or what = %(what)s)
        and (%(about)s = '' or %(about)s = 'models')
    order by model_use.at desc, number desc limit %(limit)s)
)
select at, kind, id, coalesce(who, '') as who, what, subject, detail from entries order by at desc, kind desc, id desc
limit %(limit)s
