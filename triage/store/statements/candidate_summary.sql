-- Each candidate's comparisons: how many, how often it agreed, how fast it was, and what both cost for those runs. Costs are
-- those of the reservations, so asks that were lost with their worker are in; a candidate's carry its name.
with shown as (
    select * from candidate_decision where made_at >= now() - %(since)s::interval
), paid as (
    select shown.run_id, shown.candidate,
        sum(coalesce(spent, reserved)) filter (where right(prompt, length(candidate) + 5) = ' for ' || candidate) as theirs,
        sum(coalesce(spent, reserved)) filter (where position(' for ' in prompt) = 0) as ours
    from shown join reservation using (run_id) group by 1, 2
)
select candidate, count(*) as runs, count(*) filter (where agreed) as agreed, count(error) as failed,
    coalesce(percentile_cont(0.5) within group (order by seconds), 0)::float8 as seconds_p50,
    coalesce(percentile_cont(0.95) within group (order by seconds), 0)::float8 as seconds_p95,
    coalesce(sum(theirs), 0)::bigint as cost, coalesce(sum(ours), 0)::bigint as own_cost,
    (array_agg(distinct error) filter (where error is not null))[1:3] as errors
from shown left join paid using (run_id, candidate)
group by candidate order by candidate
