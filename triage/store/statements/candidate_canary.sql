-- The runs that a canary decided, beside those that it did not ('').
select coalesce(content -> 'versions' ->> 'candidate', '') as candidate, count(*) as runs,
    count(*) filter (where decision.decided_by = 'nobody') as nobody,
    count(*) filter (where exists (select from standing_correction where run_id = run.id)) as corrected,
    coalesce(sum(cost), 0)::bigint as cost
from run join decision on decision.run_id = run.id left join lateral (
    select sum(coalesce(spent, reserved)) as cost from reservation
    where reservation.run_id = run.id and (position(' for ' in prompt) = 0 or content -> 'versions' ? 'candidate')
) as paid on true
where run.created_at >= now() - %(since)s::interval
group by 1 order by 1
