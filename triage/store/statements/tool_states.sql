-- What all workers know of the tools. Tools that are in service and well may have no row.
select tool, switched_off, failures, trips > 0 as tripped, last_error,
    greatest(open_until - now(), interval '0') as open_for
from tool_state
