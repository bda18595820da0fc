-- Removes a model that is not in use. It writes the row `number` of the history too, so that of one who removes it and one who
-- puts it in use at the same time only the first succeeds. Repeated, it finds its own row.
with told as (
    insert into model_use (number, what, version, in_use, back_to, by_whom, why)
    select %(number)s::int, 'removed', %(version)s, %(in_use)s::text, %(back_to)s::int, %(by)s, %(why)s
    where exists (select from model where version = %(version)s)
    on conflict (number) do nothing
    returning version
), gone as (
    delete from model using told where model.version = told.version
)
select exists (select from told) or exists (
    select from model_use where number = %(number)s::int and what = 'removed' and version = %(version)s and by_whom = %(by)s
) as changed
