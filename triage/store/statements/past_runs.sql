-- Runs that were decided, newest first, a batch at a time: those before the last one of the batch before it. With what people
-- say that the decision should have been.
select run.id, run.created_at, report.content as report, decision.content as decision, (
    select jsonb_object_agg(field, value) from standing_correction where standing_correction.run_id = run.id
) as corrected
from run join decision on decision.run_id = run.id join report on report.run_id = run.id
where run.created_at >= now() - %(since)s::interval
    and (run.created_at, run.id) < (%(before)s::timestamptz, %(before_id)s::uuid)
order by run.created_at desc, run.id desc
limit %(batch)s
