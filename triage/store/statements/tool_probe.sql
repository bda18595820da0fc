-- One caller at a time may try a tool whose breaker has cooled down.
update tool_state set probe_until = now() + %(lifetime)s
where tool = %(tool)s and open_until <= now() and coalesce(probe_until, '-infinity') <= now()
returning tool
