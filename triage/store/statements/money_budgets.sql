-- What is taken out of today's budgets, this month's and the one for ever; of the sources and reporters, only those with
-- something taken, and of the reporters only the dearest.
select scope, name, taken
from (
    select scope, name, sum(taken)::bigint as taken, rank() over (partition by scope order by sum(taken) desc) as place
    from budget
    where since = case scope
        when 'total' then '-infinity'::date
        when 'month' then date_trunc('month', (now() at time zone 'UTC')::date)::date
        else (now() at time zone 'UTC')::date end
    group by scope, name
) as budgets
where scope <> 'reporter' or place <= %(reporters)s
order by scope, taken desc, name
