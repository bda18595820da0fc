/*
 * One run with one effect: claim, "about to send", send, complete or settle, by workers that die, lose their row and come
 * back late, with a broker that loses and doubles messages and a tool that commits late or never. README.md ties each part
 * to its statement or function and lists what is left out.
 *
 *   -DTOOL=KEYED | FINDABLE | BLIND      the tool's class
 *   -DWORKERS=2 -DT=2 -DQ=2              processes; the call's timeout and the quarantine, in ticks
 *   -DNO_FENCE -DNO_QUARANTINE -DNO_DEADLINE_CHECK -DNO_LEASE_CHECK -DNO_RELAY    the protocol with one part taken out
 *   -DPEOPLE -DREWIRED -DKEEPS           see "Beyond the checks" in README.md
 *
 * A time is what is left of it in ticks; at 0 it is over.
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
#define HANG 1      /* CLAIM_LIMIT: by how much a claim outlives its call while its process lives */
#define INTERVAL 1  /* FIRST_INTERVAL: how long a rung run is not rung again */
#define WINDOW 2    /* the relay's high mark: messages in the broker */
#define ABSENCES 2  /* ABSENCES_TO_RESEND */

#define GHOST WORKERS        /* a process that died and was replaced; its row is gone */
#define NOBODY (WORKERS + 1)

mtype = { is_active, done, held, dead };                     /* run.status (`active` is a word of Promela) */
mtype = { planned, sending, unknown, confirmed, refused };   /* effect.state */
mtype = { seen, old, gone };                                 /* a process's row in the others' eyes */
mtype = { nothing, sent, not_sent, no_answer, said_no, early, ask_person, absent };  /* how a call ended */

/* Postgres: the run, */
mtype status = is_active;
byte claimed = NOBODY;  /* claimed_by. As every claim raises the fence, it also says whose fence is the newest */
byte claim_until, due, ring_at;
/* its effect, */
mtype state = planned;
byte sender = NOBODY;   /* effect.claim_id */
byte absences, not_before;
byte safe_after;        /* effect.deadline + effect.quarantine */
/* and the rows of processes. */
mtype row[WORKERS + 1];

/* In a process: its own view of its row (ProcessLease), what is left of its call's deadline, whether it has a claim. */
bool fresh[WORKERS], alive[WORKERS], busy[WORKERS];
byte left[WORKERS];

byte messages;          /* in the broker; each says only "this run" */

/* The tool: its objects, and how long the request that it has not carried out yet may still be. */
byte objects, underway;
bool may_have_left;     /* a request left the house and was not surely turned away */

bool calm;              /* from here on nothing goes wrong any more */

#define ENDED (status != is_active)
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
#define ALIVE_BY_ITSELF(p) fresh[p]
#endif
#ifdef NO_DEADLINE_CHECK
#define IN_TIME(p) true
#else
#define IN_TIME(p) (left[p] > 0)
#endif
#ifdef NO_QUARANTINE
#define LOST_CALL_WAITS 0
#define WAIT 0
#else
#define LOST_CALL_WAITS safe_after
#define WAIT Q
#endif
#ifdef KEEPS  /* a settlement never shortens the quarantine that runs */
#define SETTLED_WAIT(wait) MAX(wait, (state == sending -> safe_after : not_before))
#else
#define SETTLED_WAIT(wait) wait
#endif

/* claim_effect.sql. `again`: the same statement repeated, because its connection broke. */
#define MINE (again && sender == p)
inline claim() {
    d_step {
        if
        :: status == is_active && due == 0 &&
            (claimed == NOBODY || (again && claimed == p) || claim_until == 0 || row[claimed] != seen) ->
            if
            :: state == planned -> state = sending; resent = false
            :: state == sending && MINE -> resent = true
            :: TOOL == KEYED && ((state == sending && !MINE) || state == unknown) -> state = sending; resent = true
            :: TOOL != KEYED && state == sending && !MINE ->
                state = unknown; resent = true; not_before = LOST_CALL_WAITS
            :: TOOL != KEYED && state == unknown -> resent = true
            :: state == confirmed -> resent = false
            fi;
            safe_after = (state == sending -> T + Q : safe_after);
            left[p] = (again -> left[p] : T);  /* counted from before the first try */
            claimed = p; sender = p; claim_until = T + HANG; busy[p] = true;
            my_state = state; my_wait = (state == unknown -> not_before : 0); my_absences = absences;
            printf("STORY worker %d claims the run; its effect is %e, quarantine left %d\n", p, state, my_wait)
        :: else -> my_state = 0
        fi
    }
}

inline commit() {
    objects = (TOOL == KEYED -> 1 : objects + 1);
    printf("STORY the tool commits an object: %d in all\n", objects)
}

/* effects.perform of an effect that is `sending`: lease, deadline, first byte, as if nothing could come in between. */
inline send() {
    atomic {
        if
        :: !ALIVE_BY_ITSELF(p) || !IN_TIME(p) -> outcome = not_sent
        :: !calm -> outcome = not_sent  /* no connection, 429 */
        :: !calm -> outcome = said_no   /* 4xx */
        :: ALIVE_BY_ITSELF(p) && IN_TIME(p) ->
            printf("STORY worker %d sends the request, %d ticks before its deadline\n", p, left[p]);
            assert(TOOL != BLIND || !may_have_left);  /* a blind tool is never sent to again */
            may_have_left = true;
            if
            :: commit(); outcome = sent
            :: !calm -> commit(); outcome = no_answer
            :: !calm && (TOOL == KEYED || underway == 0) ->  /* to be carried out late, or never */
                underway = MAX(underway, left[p] + Q); outcome = no_answer
            fi
        fi
    }
    assert(TOOL == KEYED || objects <= 1)
}

/* effects._find_out: ask, where one can ask and the quarantine is over. */
inline find_out() {
    atomic {
        if
        :: TOOL != FINDABLE -> outcome = ask_person
        :: TOOL == FINDABLE && my_wait > 0 -> outcome = early
        :: TOOL == FINDABLE && my_wait == 0 && objects > 0 -> outcome = sent
        :: TOOL == FINDABLE && my_wait == 0 && objects == 0 -> outcome = absent
        :: TOOL == FINDABLE && my_wait == 0 && !calm -> outcome = not_sent  /* the look-up failed */
        fi;
        printf("STORY worker %d asks what became of it: %e\n", p, outcome)
    }
}

/* complete_effect.sql */
inline complete() {
    d_step {
        if
        :: HOLDS(p) && (state == sending || state == unknown || state == confirmed) ->
            state = confirmed; status = done; claimed = NOBODY;
            assert(objects == 1);
            assert(!STRICT || TOOL == KEYED || underway == 0);
            printf("STORY worker %d completes: confirmed, the run is done\n", p)
        :: else -> printf("STORY worker %d completes under a claim that it has lost: nothing changes\n", p)
        fi
    }
}

/* settle.sql. The trigger `effect_move` refuses to move a confirmed effect. */
inline save(new_status, new_state, wait, new_absences) {
    d_step {
        if
        :: HOLDS(p) && (state == sending || state == unknown || state == new_state) ->
            assert(!STRICT || new_state == unknown || NOTHING_OUT);
            not_before = (new_state == unknown -> SETTLED_WAIT(wait) : 0);
            state = new_state; absences = new_absences;
            status = (status == is_active -> new_status : status);
            due = wait; ring_at = wait; claimed = NOBODY;
            printf("STORY worker %d settles after %e: effect %e, run %e\n", p, outcome, state, status)
        :: else -> printf("STORY worker %d settles under a claim that it has lost: nothing changes\n", p)
        fi
    }
}

/* retry.decide */
#define MAY_BE_COMMITTED (my_state == unknown || resent)
inline settle() {
    if
    :: outcome == absent && my_absences + 1 >= ABSENCES -> save(is_active, planned, 0, 0)
    :: outcome == absent && my_absences + 1 < ABSENCES -> save(is_active, unknown, WAIT, my_absences + 1)
    :: outcome == early -> save(is_active, unknown, my_wait, my_absences)
    :: outcome == ask_person -> save(held, unknown, 0, 0)
    :: outcome == no_answer && TOOL == BLIND -> save(held, unknown, 0, 0)
    :: outcome == no_answer && TOOL == FINDABLE -> save(is_active, unknown, WAIT, my_absences)
    :: outcome == no_answer && TOOL == KEYED -> save(is_active, unknown, 0, my_absences)
    :: outcome == not_sent && !MAY_BE_COMMITTED -> save(is_active, planned, 0, 0)
    :: outcome == not_sent && MAY_BE_COMMITTED && TOOL == BLIND -> save(held, unknown, 0, 0)
    :: outcome == not_sent && MAY_BE_COMMITTED && TOOL != BLIND -> save(is_active, unknown, 0, my_absences)
    :: outcome == said_no && !MAY_BE_COMMITTED -> save(dead, refused, 0, 0)
    :: outcome == said_no && MAY_BE_COMMITTED -> save(held, unknown, 0, 0)
    fi
}

/* A process takes a message, works on the run, and may die between any two lines. A slow one is a frozen one. */
proctype Worker(byte p) {
    mtype my_state, outcome;
    byte my_wait, my_absences;
    bool resent, again;

end_idle:
    if
    :: atomic { messages > 0 -> messages-- }
    :: atomic { !calm -> goto killed }
    fi;
claiming:
    if
    :: claim()
    :: atomic { !calm -> goto killed }
    fi;
    if
    :: atomic { my_state == 0 -> goto ends }
    :: atomic { !calm && my_state != 0 && !again -> again = true; goto claiming }
    :: atomic { my_state == sending -> send() }
    :: atomic { my_state == unknown -> find_out() }
#ifdef REWIRED
    :: atomic { !calm && my_state != 0 -> outcome = not_sent }  /* Engine._tool: planned for another tool than is set */
#endif
#ifdef PEOPLE
    :: atomic { !calm && my_state == unknown -> outcome = ask_person }  /* retry.lost_too_often, too many attempts */
#endif
    :: atomic { my_state == confirmed -> outcome = sent }
    :: atomic { !calm -> goto killed }
    fi;
    if
    :: outcome == sent -> complete()
    :: outcome != sent -> settle()
    :: atomic { !calm -> goto killed }
    fi;
ends:
    atomic {
        my_state = 0; outcome = 0; my_wait = 0; my_absences = 0; resent = false; again = false;
        busy[p] = false; left[p] = 0; goto end_idle
    }

killed:
    atomic {
        printf("STORY worker %d is killed\n", p);
        my_state = 0; outcome = 0; my_wait = 0; my_absences = 0; resent = false; again = false;
        busy[p] = false; left[p] = 0; alive[p] = false; fresh[p] = false
    }
    atomic {  /* a new process has an id of its own: the old one's claim, if it still stands, is nobody's any more */
        row[p] == gone || claimed != p ->
        claimed = (claimed == p -> GHOST : claimed);
        alive[p] = true; fresh[p] = true; row[p] = seen; goto end_idle
    }
}

/* reap.sql and ring.sql, by whichever process leads. */
proctype Relay() {
    byte i;
end:
    do
    :: d_step {
            row[0] == old || row[1] == old || row[WORKERS - 1] == old ->
            for (i : 0 .. WORKERS - 1) {
                if
                :: row[i] == old ->
                    row[i] = gone;
                    ring_at = (claimed == i && due < ring_at -> due : ring_at);
                    printf("STORY the relay reaps the row of worker %d\n", i)
                :: else
                fi
            }
            i = 0
        }
#ifndef NO_RELAY
    :: d_step {
            status == is_active && ring_at == 0 && messages < WINDOW &&
                (claimed == NOBODY || claim_until == 0 || row[claimed] == gone) ->
            messages++; ring_at = INTERVAL;
            printf("STORY the relay rings the run\n")
        }
#endif
    od
}

/* One tick. When all is calm nobody is slow: time waits for whoever works on a claim. */
#define TIMES (claim_until + due + ring_at + not_before + safe_after + underway + left[0] + left[1] + left[WORKERS - 1])
#define SOMEBODY_BUSY (busy[0] || busy[1] || busy[WORKERS - 1])
#define UNSEEN(p) (!alive[p] && row[p] == seen)
proctype Clock() {
    byte i;
end:
    do
    :: d_step {
            (!calm && TIMES > 0) || (calm && !SOMEBODY_BUSY &&
                (TIMES > 0 || UNSEEN(0) || UNSEEN(1) || UNSEEN(WORKERS - 1))) ->
            MINUS(claim_until); MINUS(due); MINUS(ring_at); MINUS(not_before); MINUS(safe_after); MINUS(underway);
            for (i : 0 .. WORKERS - 1) {
                MINUS(left[i]);
                row[i] = (calm && UNSEEN(i) -> old : row[i])
            }
            i = 0
        }
    od
}

/* What the tool was sent and had not carried out. */
proctype Tool() {
end:
    do
    :: atomic { underway > 0 -> underway = 0; commit(); assert(TOOL == KEYED || objects <= 1) }
    od
}

/* keep_alive.sql, and what hinders it: a process that is frozen or cut off first holds itself for dead, then the others do. */
proctype Keeper(byte p) {
end:
    do
    :: atomic { !calm && fresh[p] -> fresh[p] = false }
    :: atomic {
            !calm && !fresh[p] && row[p] == seen -> row[p] = old;
            printf("STORY worker %d was not seen in time\n", p)
        }
    :: atomic { !calm && alive[p] && (!fresh[p] || row[p] != seen) -> fresh[p] = true; row[p] = seen }
    od
}

/* What befalls the broker, until all is calm. */
proctype Fate() {
    byte i;
    do
    :: atomic { messages > 0 -> messages-- }
    :: atomic { messages > 0 && messages < WINDOW -> messages++ }
    :: atomic { ring_at > due -> ring_at = due }  /* broker_lost.sql, retry.sql */
#ifdef PEOPLE
    :: atomic {  /* redrive.sql */
            (status == held || status == dead) && !(state == unknown && TOOL == BLIND) ->
            status = is_active; due = 0; ring_at = 0;
            state = (state == refused -> planned : state);
            printf("STORY a person redrives the run\n")
        }
    :: atomic {  /* resolve.sql, by somebody who looks at the tool first */
            status == held && state == unknown ->
            status = is_active; due = 0; ring_at = 0; absences = 0;
            state = (objects > 0 -> confirmed : planned);
            printf("STORY a person has looked and resolves: %e\n", state)
        }
#endif
    :: atomic {
            calm = true;
            for (i : 0 .. WORKERS - 1) {
                fresh[i] = alive[i];
                row[i] = (alive[i] -> seen : row[i])
            }
            i = 0;
            break
        }
    od
}

/* A run that has not ended and that nothing moves any more would leave this one waiting: an invalid end state. */
proctype Judge() {
    ENDED
}

init {
    byte i;
    atomic {
        for (i : 0 .. WORKERS - 1) {
            row[i] = seen; fresh[i] = true; alive[i] = true;
            run Worker(i); run Keeper(i)
        }
        i = 0; row[GHOST] = gone;
        run Relay(); run Clock(); run Tool(); run Fate(); run Judge()
    }
}

ltl ends { [] (calm -> <> ENDED) }
