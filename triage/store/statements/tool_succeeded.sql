-- A call went well: the failures are forgotten and the breaker closes.
with closed as (
    update tool_state set failures = 0, trips = 0, open_until = null, probe_until = null, changed_at = now()
    where tool = %(tool)s and (failures > 0 or trips > 0)
    returning tool
)
insert into tool_event (tool, what) select tool, 'closed' from closed
