-- What is taken out of today's budgets, this month's and the one for ever; of the sources, only those with something taken.
select scope, name, sum(taken)::bigint as taken
from budget
where since = case scope
    when 'total' then '-infinity'::date
    when 'month' then date_trunc('month', (now() at time zone 'UTC')::date)::date
    else (now() at time zone 'UTC')::date end
group by scope, name
order by scope, taken desc
