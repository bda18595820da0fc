-- What befell the tools from `since` until `until`, and what people did to them.
select at, tool, what, detail ->> 'by' as who, coalesce(nullif(detail ->> 'why', ''), detail ->> 'error') as reason
from tool_event where at >= %(since)s and at < %(until)s order by at, id limit %(limit)s
