-- A person closes a breaker before it has cooled down.
with closed as (
    update tool_state set failures = 0, trips = 0, open_until = null, probe_until = null, changed_at = now()
    where tool = %(tool)s and (failures > 0 or trips > 0)
    returning tool
), told as (
    insert into tool_event (tool, what, detail) select tool, 'closed', %(detail)s from closed
)
select tool from closed
