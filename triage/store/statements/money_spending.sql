-- What was reserved and spent, by one of the things that it can be told by; the dearest first. What expired unsettled is
-- unaccounted: it counts as spent, though nobody knows what it came to.
select
    case %(by)s::text
        when 'attempt' then run_id || '/' || fence when 'run' then run_id::text when 'source' then source
        when 'reporter' then reporter
        when 'day' then day::text when 'model' then model else prompt
    end as name,
    count(*)::int as asks,
    coalesce(sum(requests), 0)::int as requests,
    coalesce(sum(input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(output_tokens), 0)::bigint as output_tokens,
    coalesce(sum(cached_tokens), 0)::bigint as cached_tokens,
    coalesce(sum(reasoning_tokens), 0)::bigint as reasoning_tokens,
    coalesce(sum(spent), 0)::bigint as spent,
    coalesce(sum(reserved) filter (where settled_at is null and expires_at > now()), 0)::bigint as reserved,
    coalesce(sum(reserved) filter (where settled_at is null and expires_at <= now()), 0)::bigint as unaccounted
from reservation
where day >= %(since)s and (%(run_id)s::uuid is null or run_id = %(run_id)s::uuid)
group by 1
order by sum(coalesce(spent, reserved)) desc, 1
limit %(limit)s
