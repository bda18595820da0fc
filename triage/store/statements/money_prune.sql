-- Forgets the budgets of days that are long over: nobody asks for them. An ask that is settled even later adds a row that
-- means nothing and goes with the next turn. What was asked (reservation) stays.
delete from budget
where scope in ('reporter', 'source', 'day') and since < (now() at time zone 'UTC')::date - %(days)s::int
