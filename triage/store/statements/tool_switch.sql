-- Puts a tool (`*`: all) out of service, with a reason, or back in service. What waited for that goes on as soon as every
-- worker's copy of the switch must have been read anew.
with switched as (
    insert into tool_state (tool, switched_off) values (%(tool)s, %(switched_off)s)
    on conflict (tool) do update set switched_off = excluded.switched_off, changed_at = now()
    returning tool, switched_off
), woken as (
    update run set due = now() + %(fresh)s, ring_at = now() + %(fresh)s, rings = 0
    from switched
    where switched.switched_off is null and run.waits_on = 'switch' and run.status = 'active' and run.claim_id is null
    returning run.id
), told as (
    insert into tool_event (tool, what, detail)
    select tool, case when switched_off is null then 'enabled' else 'disabled' end, %(detail)s from switched
)
select count(*) as woken from woken
