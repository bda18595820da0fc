-- Keeps a model under its version, and puts it in use if a number is given, in one commit: all of it or nothing.
-- The version says what is in it, so one that is there already is the same. Repeated, it finds its own row in the history.
with saved as (
    insert into model (version, content, numbers, made_by)
    values (%(version)s, %(content)s, %(numbers)s, %(by)s)
    on conflict (version) do nothing
), told as (
    insert into model_use (number, what, version, in_use, back_to, by_whom, why)
    select %(number)s::int, 'used', %(version)s, %(version)s, %(back_to)s::int, %(by)s, %(why)s
    where %(number)s::int is not null
    on conflict (number) do nothing
    returning number
)
select exists (select from told) or exists (
    select from model_use where number = %(number)s::int and what = 'used' and in_use = %(version)s and by_whom = %(by)s
) as changed
