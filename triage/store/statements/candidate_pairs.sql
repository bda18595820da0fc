-- What was decided and what a candidate said instead, by kind; of the same kind, those that differ in something else.
select candidate, was,
    case content ->> 'decided_by' when 'nobody' then 'nobody' else content ->> 'kind' end as now, count(*) as runs
from candidate_decision
where made_at >= now() - %(since)s::interval and not agreed
group by 1, 2, 3 order by 1, 4 desc, 2, 3 limit %(limit)s
