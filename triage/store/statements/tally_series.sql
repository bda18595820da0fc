-- What happened in each interval of `step` from `since` on, told by stage and what; names go together.
select date_bin(%(step)s::interval, at, %(since)s::timestamptz) as at, kind, stage, what,
    sum(number)::bigint as number, sum(amount) as amount
from tally_read(%(grain)s, %(kinds)s::text[], %(since)s::timestamptz, %(until)s::timestamptz)
where kind <> 'model' or what = 'cost'
group by 1, 2, 3, 4
