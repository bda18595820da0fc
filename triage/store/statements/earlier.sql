-- The tickets of earlier reports that say the same as a run's report, and those of some others by their ids. Reads only.
-- Earlier is by the ids, which are in order of time. A report's own runs (its forks too) are none of its duplicates.
-- Of the equal ones only the earliest of each kind counts. Where a report became a comment on another one's ticket, that
-- ticket is meant, unless the comment was refused: then the ticket is gone, and the one filed instead is meant.
-- A flood of equal reports whose tickets are not filed yet is looked at no further than the first 100.
with equal as materialized (
    (select run_id, content, 'text' as why from decision
    where content #>> '{prints,text}' = %(text)s and content #>> '{prints,text}' <> '' and run_id < %(run_id)s
    order by content #>> '{prints,text}', run_id limit 100)
    union all
    (select run_id, content, 'trace' from decision
    where content #>> '{prints,trace}' = %(trace)s and content #>> '{prints,trace}' <> '' and run_id < %(run_id)s
    order by content #>> '{prints,trace}', run_id limit 100)
    union all
    select run_id, content, 'similar' from decision where run_id = any(%(similar)s::uuid[]) and run_id < %(run_id)s
), told as (
    select run_id, (content #>> '{same_as,run_id}')::uuid as same_as, why,
        content #>> '{same_as,run_id}' is not null and exists (
            select from effect where effect.run_id = equal.run_id and stage = 'create_ticket' and number = 2
                and state = 'confirmed') as instead
    from equal
), original as (
    select distinct case when instead then run_id else coalesce(same_as, run_id) end as run_id, instead, why from told
), ticketed as (
    select original.run_id, why, tool, target, remote_id, remote_url,
        row_number() over (partition by why order by original.run_id) as place
    from original
    join effect on effect.run_id = original.run_id and stage = 'create_ticket' and number = 1 + instead::int
    join run on run.id = original.run_id
    join run as own on own.id = %(run_id)s
    where state = 'confirmed' and remote_id <> 'dry-run'  -- a dry run files nothing
        and not exists (select from told where told.instead and told.same_as = original.run_id)
        and (run.source, run.source_id, run.report_kind) <> (own.source, own.source_id, own.report_kind)
)
select run_id, why, tool, target, remote_id, coalesce(remote_url, '') as remote_url,
    decision.content ->> 'title' as title, left(report.content ->> 'body', 4000) as body,
    coalesce(corrected.value, decision.kind) as kind,
    case when corrected.value is null then decision.decided_by else 'person' end as decided_by,
    case when corrected.value is null then (decision.content ->> 'confidence')::float else 1 end as confidence
from ticketed
join decision using (run_id)
join report using (run_id)
left join lateral (
    select value from correction where correction.run_id = ticketed.run_id and field = 'kind' order by number desc limit 1
) as corrected on true
where place = 1 or why = 'similar'
