-- How often each decider's decisions stand, by the version of what decided.
with changed as (
    select standing.run_id, standing.field
    from standing_correction as standing join decision on decision.run_id = standing.run_id
    where standing.value is distinct from coalesce(decision.content ->> standing.field, '')
), counted as (
    select run_id, bool_or(field = 'kind') as kind, bool_or(field = 'severity') as severity,
        bool_or(field = 'component') as component, bool_or(field = 'route') as route
    from changed group by run_id
)
select decision.decided_by,
    coalesce(decision.content -> 'versions' ->> case decision.decided_by
        when 'learned' then 'classifier' when 'llm' then 'model' else 'rules' end, '') as version,
    count(*)::int as decided,
    count(counted.run_id)::int as corrected,
    count(*) filter (where counted.kind)::int as kind,
    count(*) filter (where counted.severity)::int as severity,
    count(*) filter (where counted.component)::int as component,
    count(*) filter (where counted.route)::int as route
from decision join run on run.id = decision.run_id left join counted on counted.run_id = decision.run_id
where %(since)s::timestamptz is null or run.created_at >= %(since)s::timestamptz
group by 1, 2
order by decided desc, 1, 2
