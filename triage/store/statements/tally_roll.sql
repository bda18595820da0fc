-- Adds what is new to the tally; the function tells why nothing is counted twice or left out. Losing the commit is harmless:
-- the next round adds the same.
with async as materialized (
    select set_config('synchronous_commit', 'off', true)
)
select tally_roll() as added from async
