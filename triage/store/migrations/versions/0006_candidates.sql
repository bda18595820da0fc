-- What a candidate for deciding would have decided, for comparison; nothing depends on it.
create table candidate_decision (
    run_id uuid not null references run,
    candidate text not null check (candidate ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    fence bigint not null,
    was text not null check (char_length(was) between 1 and 64),
    content jsonb check (jsonb_typeof(content) = 'object'),
    agreed boolean,
    cost bigint not null check (cost >= 0),  -- micro-USD
    seconds real not null check (seconds >= 0),
    error text check (char_length(error) between 1 and 1000),
    made_at timestamptz not null default now(),
    primary key (run_id, candidate),
    check ((content is null) = (agreed is null) and (content is null) = (error is not null))
);
create index candidate_decision_newest on candidate_decision (made_at);
