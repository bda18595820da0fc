-- The asks that were never settled though their time is over: their workers died, or never learned what became of them.
select id, run_id, fence, source, day, model, reserved, made_at
from reservation where settled_at is null and expires_at <= now() order by made_at limit %(limit)s
