-- What happened from `since` until `until` over all runs, counted. Amounts are micro-USD.
select 'received' as kind, source as name, '' as what, count(*) as number, 0::bigint as amount
from run where created_at >= %(since)s and created_at < %(until)s group by 2
union all
select 'attempt', stage, case when outcome = 'finished' and error is not null then 'refused' else outcome end, count(*), 0
from attempt where ended_at >= %(since)s and ended_at < %(until)s group by 2, 3
union all
select 'decided', decided_by, decision.kind, count(*), 0
from attempt join decision on decision.run_id = attempt.run_id
where ended_at >= %(since)s and ended_at < %(until)s and stage = 'triage' and outcome = 'finished' group by 2, 3
union all
select 'done', '', '', count(*), 0
from attempt join run on run.id = attempt.run_id and finished_at = ended_at and status = 'done'
where ended_at >= %(since)s and ended_at < %(until)s and outcome = 'finished' having count(*) > 0
union all
select 'asked', model, '', count(*), sum(coalesce(spent, reserved))::bigint
from reservation where made_at >= %(since)s and made_at < %(until)s group by 2
union all
select 'event', '', what, count(*), 0
from event where at >= %(since)s and at < %(until)s group by 3
union all
select 'approval', '', '', count(*), 0
from approval where asked_at >= %(since)s and asked_at < %(until)s having count(*) > 0
order by 1, 4 desc, 2, 3
