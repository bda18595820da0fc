-- How many runs `past_runs` would give, counted no further than `most`.
select count(*) as runs from (
    select from run join decision on decision.run_id = run.id
    where run.created_at >= now() - %(since)s::interval limit %(most)s
) as decided
