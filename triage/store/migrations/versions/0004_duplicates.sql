-- Fingerprints of decided reports, to find repeats. They are part of the decision's JSON, so saving a decision is the
-- statement that it was; only reports that have one are in these indexes.
create index decision_text_print on decision ((content #>> '{prints,text}'), run_id)
    where content #>> '{prints,text}' <> '';
create index decision_trace_print on decision ((content #>> '{prints,trace}'), run_id)
    where content #>> '{prints,trace}' <> '';

-- What joined the tickets since a worker last looked. Attempts are written once and never changed.
create index attempt_filed on attempt (ended_at, run_id) where stage = 'create_ticket' and outcome = 'finished';

-- Comments of the local tracker, in place of second tickets; like its tickets they have a permanent key of their own.
create table local_comment (
    id bigint generated always as identity primary key,
    key bytea not null unique check (octet_length(key) = 32),
    target text not null,
    content jsonb not null,
    created_at timestamptz not null default now()
);
