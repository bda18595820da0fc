-- Says what a field of a run's decision should have been, unless that already stands: as the last correction, or where there
-- is none as the decision itself. The run tells it as an event; nothing that was done changes.
-- Repeated, it finds that the value stands. Whoever comes second of two at once finds the number taken and adds nothing:
-- then `before` is not yet what the other one said, and the statement is to be run again.
with known as (
    select decision.run_id, coalesce(last.number, 0) as number,
        coalesce(last.value, decision.content ->> %(field)s, '') as value
    from decision left join standing_correction as last
        on last.run_id = decision.run_id and last.field = %(field)s
    where decision.run_id = %(run_id)s
), added as (
    insert into correction (run_id, field, number, value, by_whom, origin)
    select run_id, %(field)s, number + 1, %(value)s, %(by)s, %(origin)s from known where value <> %(value)s
    on conflict (run_id, field, number) do nothing
    returning run_id
), told as (
    insert into event (run_id, what, detail)
    select run_id, 'corrected', %(detail)s::jsonb || jsonb_build_object('was', known.value)
    from added join known using (run_id)
)
select run.id, known.value as before, known.run_id is not null as decided, added.run_id is not null as changed
from run left join known on known.run_id = run.id left join added on added.run_id = run.id where run.id = %(run_id)s
