-- Webhooks that are not set any more, with all that was kept for them; and what was told, or given up, long ago.
with gone as (
    delete from webhook where name <> all (%(names)s::text[])
)
delete from webhook_call where state <> 'waiting' and changed_at < now() - %(keep)s::interval
