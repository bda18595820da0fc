/*
 * One run with one effect: claim, "about to send", send, complete or settle, by workers that die, lose their row and come
 * back late, with a broker that loses and doubles messages and a tool that commits late or never. README.md ties each part
 * to its statement or function and lists what is left out.
 *
 *   -DTOOL=KEYED | FINDABLE | BLIND      the tool's class
 *   -DWORKERS=2 -DT=2 -DQ=2              processes; the call's timeout and the quarantine, in ticks
 *   -DNO_FENCE -DNO_QUARANTINE -DNO_DEADLINE_CHECK -DNO_LEASE_CHECK -DNO_RELAY    the protocol with one part taken out
 *   -DREDRIVE -DRESOLVE -DREWIRED       people redrive and resolve; a worker with another tool set claims
 *   -DCUTS_QUARANTINE                    a settlement or a person may end a quarantine early
 *
 * A time is what is left of it in ticks; at 0 it is over. What no longer matters is set back, so that equal states are one.
 */
#define KEYED 1
#define FINDABLE 2
#define BLIND 3
#ifndef TOOL
#define TOOL FINDABLE
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef T
#define T 2
#endif
#ifndef Q
#define Q 2
#endif
#define ABSENCES 2  /* ABSENCES_TO_RESEND */

#define GHOST WORKERS        /* a process that died with the claim; another one has taken its place */
#define NOBODY (WORKERS + 1)

mtype = { going, done, held, dead };                        /* run.status; going: active */
mtype = { planned, sending, unknown, confirmed, refused };  /* effect.state */
mtype = { seen, old, gone };                                /* see `row` */
mtype = { nothing, sent, not_sent, no_answer, said_no, early, ask_person, absent };  /* how a call ended */

/* Postgres: the run, */
mtype status = going;
byte claimed = NOBODY;  /* claimed_by. As every claim raises the fence, it also says whose fence is the newest */
mtype row = seen;       /* the claimant's row: seen; old, so that others may claim, or claim_until is over; gone, reaped */
bool rung;              /* ring_at > due: lately rung, not to be rung again before a tick */
/* and its effect. */
mtype state = planned;
byte sender = NOBODY;   /* effect.claim_id */
byte safe_after;        /* effect.deadline + effect.quarantine */
byte not_before, absences;

/* In a process: whether it has a claim, and what is left until the deadline of its call. */
bool busy[WORKERS];
byte left[WORKERS];

bool message;           /* in the broker; it says only "this run" */

/* The tool: its objects, and how long it may still carry out the request that it was sent and has not carried out. */
byte objects, underway;
bool may_have_left;     /* a request left the house for a blind tool and was not surely turned away */

bool calm;              /* from here on nothing goes wrong any more */

#define ENDED (status != going)
#define NOTHING_OUT (objects == 0 && underway == 0)
#define MINUS(x) x = (x > 0 -> x - 1 : 0)
#define MAX(a, b) ((a) > (b) -> (a) : (b))

#ifdef ONLY_COMMITS  /* the negative checks: look for two commits, not for what makes them possible */
#define STRICT false
#else
#define STRICT true     /* confirmed: none to come; planned and refused: none made, and none to come */
#endif
#ifdef NO_FENCE
#define HOLDS(p) true
#else
#define HOLDS(p) (claimed == p)
#endif
#ifdef NO_LEASE_CHECK
#define ALIVE_BY_ITSELF(p) true
#else
#define ALIVE_BY_ITSELF(p) (claimed != p || row == seen)  /* who has lost the claim may have renewed its row since */
#endif
#ifdef NO_DEADLINE_CHECK
#define IN_TIME(p) true
#else
#define IN_TIME(p) (left[p] > 0)
#endif
#ifdef NO_QUARANTINE
#define LOST_CALL_WAITS 0
#define LOST_ANSWER_WAITS 0
#define WAIT 0
#else
#define LOST_CALL_WAITS safe_after
#define LOST_ANSWER_WAITS (T + Q)
#define WAIT Q
#endif
#ifndef CUTS_QUARANTINE  /* a settlement never shortens the quarantine that runs */
#define SETTLED_WAIT(wait) MAX(wait, (state == sending -> safe_after : not_before))
#define MAY_RESOLVE (objects > 0 || not_before == 0)
#else
#define SETTLED_WAIT(wait) wait
#define MAY_RESOLVE true
#endif

/* A settled run is due when its wait is over: settle.sql sets `due` and `not_before` to the same. */
#define DUE (!(claimed == NOBODY && state == unknown && not_before > 0))
#define CLAIMABLE (status == going && DUE && (claimed == NOBODY || row != seen))

/* claim_effect.sql. `repeated`: the same statement once more, because its connection broke. */
#define MINE (repeated && sender == p)
inline claim(repeated) {
    d_step {
        if
        :: CLAIMABLE || (repeated && status == going && claimed == p) ->
            left[p] = (repeated -> left[p] : T);  /* counted from before the first try */
            if
            :: state == planned -> state = sending; resent = false
            :: state == sending && MINE -> resent = true
            :: TOOL == KEYED && ((state == sending && !MINE) || state == unknown) -> state = sending; resent = true
            :: TOOL != KEYED && state == sending && !MINE -> state = unknown; resent = false; not_before = LOST_CALL_WAITS
            :: TOOL != KEYED && state == unknown -> resent = false
            :: state == confirmed -> resent = false
            fi;
            if
            :: state == sending -> safe_after = T + Q; not_before = 0; sender = p
            :: else -> safe_after = 0; left[p] = 0; sender = NOBODY
            fi;
            claimed = p; row = seen; busy[p] = true;
            my_state = state; my_wait = (state == unknown && not_before > 0); my_absences = absences;
            printf("STORY worker %d claims the run; its effect is %e, quarantine left: %d\n", p, state, not_before)
        :: else -> my_state = 0
        fi
    }
}

inline commit() {
    objects = (TOOL == KEYED -> 1 : objects + 1);
    printf("STORY the tool commits an object: %d in all\n", objects);
    assert(objects <= 1)
}

/* effects.perform of an effect that is `sending`: lease, deadline, first byte, as if nothing could come in between. */
inline send() {
    if
    :: !ALIVE_BY_ITSELF(p) || !IN_TIME(p) -> outcome = not_sent
    :: !calm -> outcome = not_sent  /* no connection, 429 */
    :: !calm -> outcome = said_no   /* 4xx */
    :: ALIVE_BY_ITSELF(p) && IN_TIME(p) ->
        printf("STORY worker %d sends the request; ticks to its deadline: %d\n", p, left[p]);
        assert(!may_have_left);  /* a blind tool is never sent to again */
        may_have_left = (TOOL == BLIND);
        if
        :: commit(); outcome = sent
        :: !calm -> commit(); outcome = no_answer
        :: !calm && (TOOL == KEYED || underway == 0) ->  /* to be carried out late, or never */
            underway = MAX(underway, left[p] + Q); outcome = no_answer
        fi
    fi;
    left[p] = 0
}

/* effects._find_out: ask, where one can ask and the quarantine is over. */
inline find_out() {
    if
    :: TOOL != FINDABLE -> outcome = ask_person
    :: TOOL == FINDABLE && my_wait -> outcome = early
    :: TOOL == FINDABLE && !my_wait && objects > 0 -> outcome = sent
    :: TOOL == FINDABLE && !my_wait && objects == 0 -> outcome = absent
    :: TOOL == FINDABLE && !my_wait && !calm -> outcome = not_sent  /* the look-up failed */
    fi;
    printf("STORY worker %d does not send but finds out: %e\n", p, outcome)
}

/* complete_effect.sql */
inline complete() {
    d_step {
        if
        :: HOLDS(p) && (state == sending || state == unknown || state == confirmed) ->
            printf("STORY worker %d completes: confirmed, the run is done\n", p);
            state = confirmed; status = done; not_before = 0; absences = 0;
            claimed = NOBODY; row = seen; sender = NOBODY; safe_after = 0;
            assert(objects == 1);
            assert(!STRICT || TOOL == KEYED || underway == 0)
        :: else -> printf("STORY worker %d completes under a claim that it has lost: nothing changes\n", p)
        fi
    }
}

/* settle.sql. The trigger `effect_move` refuses what does not come from sending or unknown. */
inline save(new_status, new_state, wait, new_absences) {
    d_step {
        if
        :: HOLDS(p) && (state == sending || state == unknown || state == new_state) ->
            not_before = (new_state == unknown -> SETTLED_WAIT(wait) : 0);
            state = new_state; absences = new_absences; rung = false;
            status = (status == going -> new_status : status);
            claimed = NOBODY; row = seen; sender = NOBODY; safe_after = 0;
            printf("STORY worker %d settles after %e: effect %e, run %e\n", p, outcome, state, status);
            assert(!STRICT || new_state == unknown || NOTHING_OUT)
        :: else -> printf("STORY worker %d settles under a claim that it has lost: nothing changes\n", p)
        fi
    }
}

/* retry.decide */
#define MAY_BE_COMMITTED (my_state == unknown || resent)
inline settle() {
    if
    :: outcome == absent && my_absences + 1 >= ABSENCES -> save(going, planned, 0, 0)
    :: outcome == absent && my_absences + 1 < ABSENCES -> save(going, unknown, WAIT, my_absences + 1)
    :: outcome == early -> save(going, unknown, not_before, my_absences)
    :: outcome == ask_person -> save(held, unknown, 0, 0)
    :: outcome == no_answer && TOOL == BLIND -> save(held, unknown, 0, 0)
    :: outcome == no_answer && TOOL == FINDABLE -> save(going, unknown, LOST_ANSWER_WAITS, 0)
    :: outcome == no_answer && TOOL == KEYED -> save(going, unknown, 0, 0)
    :: outcome == not_sent && !MAY_BE_COMMITTED -> save(going, planned, 0, 0)
    :: outcome == not_sent && MAY_BE_COMMITTED && TOOL == BLIND -> save(held, unknown, 0, 0)
    :: outcome == not_sent && MAY_BE_COMMITTED && TOOL != BLIND -> save(going, unknown, 0, my_absences)
    :: outcome == said_no && !MAY_BE_COMMITTED -> save(dead, refused, 0, 0)
    :: outcome == said_no && MAY_BE_COMMITTED -> save(held, unknown, 0, 0)
    fi
}

/*
 * A process takes a message, works on the run, and may die between any two steps. A slow one is a frozen one. What was
 * learned by a call (sent, no_answer, absent) may be saved much later; where nothing was learned, waiting before it
 * and waiting after it are the same.
 */
#define LEARNED (outcome == sent || outcome == no_answer || outcome == absent)
proctype Worker(byte p) {
    mtype my_state, outcome;
    byte my_absences;
    bool my_wait, resent;

end_idle:
    if
    :: atomic { message -> message = false }
    :: atomic { message && !calm -> skip }  /* doubled, or to be delivered again */
    fi;
    claim(false);
working:
    if
    :: atomic { my_state == 0 -> goto ends }
    :: atomic { my_state == sending -> send(); if :: LEARNED :: else -> settle(); goto ends fi }
    :: atomic { my_state == unknown -> find_out(); if :: LEARNED :: else -> settle(); goto ends fi }
    :: atomic { my_state == confirmed -> outcome = sent }
    :: atomic { !calm && my_state != 0 -> claim(true); goto working }
#ifdef REWIRED
    :: atomic { !calm && my_state != 0 -> outcome = not_sent; settle(); goto ends }  /* Engine._tool refuses */
#endif
#if defined(REDRIVE) || defined(RESOLVE)
    :: atomic { !calm && my_state == unknown -> outcome = ask_person; settle(); goto ends }  /* lost or tried too often */
#endif
    :: atomic { !calm && my_state != 0 -> goto killed }
    :: atomic { !calm && my_state != 0 -> goto ends }  /* StoreUnavailable: the claim is left to its end */
    fi;
    if
    :: atomic { outcome == sent -> complete() }
    :: atomic { outcome != sent -> settle() }
    :: atomic { !calm -> goto killed }
    :: atomic { !calm -> goto ends }  /* StoreUnavailable */
    fi;
ends:
    atomic {
        my_state = 0; outcome = 0; my_wait = false; my_absences = 0; resent = false; busy[p] = false; left[p] = 0;
        goto end_idle
    }
killed:
    atomic {
        printf("STORY worker %d is killed, and a new one takes its place\n", p);
        claimed = (claimed == p -> GHOST : claimed);
        sender = (sender == p -> GHOST : sender);
        goto ends
    }
}

/* reap.sql and ring.sql, by whichever process leads. Only the claimant's row matters. */
proctype Relay() {
end:
    do
    :: d_step { row == old -> row = gone; rung = false }
#ifndef NO_RELAY
    :: d_step { status == going && DUE && !rung && !message && (claimed == NOBODY || row == gone) ->
            message = true; rung = true }
#endif
    od
}

/* One tick. When all is calm nobody is slow: time waits for whoever works on a claim. */
#define TIMES (not_before + safe_after + underway + left[0] + left[1] + left[WORKERS - 1] > 0 || rung)
#define SOMEBODY_BUSY (busy[0] || busy[1] || busy[WORKERS - 1])
#define LEFT_BEHIND (row == seen && (claimed == GHOST || (claimed < WORKERS && !busy[claimed])))
proctype Clock() {
end:
    do
    :: d_step {
            (TIMES || (calm && LEFT_BEHIND)) && !(calm && SOMEBODY_BUSY) ->
            MINUS(not_before); MINUS(safe_after); MINUS(underway); MINUS(left[0]); MINUS(left[1]);
#if WORKERS > 2
            MINUS(left[2]);
#endif
            rung = false;
            row = (calm && LEFT_BEHIND -> old : row);  /* PROCESS_TTL or CLAIM_LIMIT is over */
            printf("STORY a tick passes\n")
        }
    od
}

/* What the tool was sent and had not carried out. */
proctype Tool() {
end:
    do
    :: atomic { underway > 0 -> underway = 0; commit() }
    od
}

/* What befalls the broker and the claimant's row, until all is calm; and what people do. */
proctype Fate() {
    do
    :: atomic { message -> message = false }
    :: atomic { rung -> rung = false }  /* broker_lost.sql, retry.sql */
    :: atomic { claimed != NOBODY && row == seen -> row = old;
            printf("STORY the claim's process is not seen in time\n") }
    :: atomic { claimed < WORKERS && row != seen -> row = seen;
            printf("STORY the claim's process is back and renews its row\n") }
#ifdef REDRIVE
    :: atomic { (status == held && !(state == unknown && TOOL == BLIND)) || status == dead ->  /* redrive.sql */
            status = going; state = (state == refused -> planned : state); rung = false;
            printf("STORY a person redrives the run\n") }
#endif
#ifdef RESOLVE
    :: atomic { status == held && state == unknown && MAY_RESOLVE ->  /* resolve.sql, by somebody who looks at the tool */
            status = going; rung = false; absences = 0; not_before = 0; may_have_left = false;
            state = (objects > 0 -> confirmed : planned);
            printf("STORY a person has looked and resolves: %e\n", state) }
#endif
    :: atomic { calm = true; row = (claimed < WORKERS -> seen : row); break }
    od
}

/* A run that has not ended and that nothing moves any more would leave this one waiting: an invalid end state. */
proctype Judge() {
    ENDED
}

init {
    atomic {
        run Worker(0); run Worker(1);
#if WORKERS > 2
        run Worker(2);
#endif
        run Relay(); run Clock(); run Tool(); run Fate(); run Judge()
    }
}

ltl ends { [] (calm -> <> ENDED) }
