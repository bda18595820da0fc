-- Keeps what a tool's system knows now.
insert into tool_values (tool, content) values (%(tool)s, %(content)s)
on conflict (tool) do update set content = excluded.content, fetched_at = now()
