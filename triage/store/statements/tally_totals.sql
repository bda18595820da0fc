-- Everything that was ever counted, with what is not in the tally yet.
select kind, name, stage, what, sum(number)::bigint as number, sum(amount) as amount
from tally_read('ever', %(kinds)s::text[], '-infinity', 'infinity')
group by 1, 2, 3, 4
order by 1, 2, 3, 4
