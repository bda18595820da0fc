-- Puts a model in use, or goes back to one (or to none), as the row `number` of the history. If somebody else has written that
-- row meanwhile, or the model is gone, nothing changes. Repeated, it finds its own row.
with told as (
    insert into model_use (number, what, version, in_use, back_to, by_whom, why)
    select %(number)s::int, %(what)s, %(version)s::text, %(version)s::text, %(back_to)s::int, %(by)s, %(why)s
    where %(version)s::text is null or exists (select from model where version = %(version)s::text)
    on conflict (number) do nothing
    returning number
)
select exists (select from told) or exists (
    select from model_use where number = %(number)s::int and what = %(what)s
        and in_use is not distinct from %(version)s::text and by_whom = %(by)s
) as changed
