-- Counts a call that failed. At the threshold the breaker opens, each time in a row for twice as long; calls that were
-- under way when it opened do not open it again. Repeated after a broken connection it counts twice, which is harmless.
with counted as (
    insert into tool_state as old (tool, failures, last_error) values (%(tool)s, 1, %(error)s)
    on conflict (tool) do update set
        failures = old.failures + 1,
        last_error = excluded.last_error,
        trips = old.trips + (old.failures + 1 >= %(threshold)s and coalesce(old.open_until, '-infinity') <= now())::int,
        open_until = case
            when old.failures + 1 >= %(threshold)s and coalesce(old.open_until, '-infinity') <= now()
            then now() + %(cool_down)s::interval * (1 << least(old.trips, 5)) else old.open_until end,
        probe_until = null,
        changed_at = now()
    returning tool, failures, open_until
)
insert into tool_event (tool, what, detail)
select tool, 'opened', jsonb_build_object('failures', failures, 'until', open_until, 'error', %(error)s)
from counted where open_until > now() and failures >= %(threshold)s
