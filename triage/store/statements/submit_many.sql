-- As submit, for a batch in one commit. The caller sorts by key, so that concurrent batches cannot deadlock.
select run_id, created
from unnest(%(reports)s::jsonb[]) with ordinality as batch (report, position), lateral triage_submit(report, %(trace)s)
order by position
