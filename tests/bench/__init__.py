"""The benchmark: the product beside a bare Celery chain, on the same private servers, in turns.

    python -m tests.bench --rounds 3 --json build/bench.json

Both do the same work with the same code: decide by rules what a report of about 1 KB is, POST a ticket, POST a notice.
The bare chain keeps no state, so a kill loses or repeats its work; it is what the product's promises are paid against.
Absolute figures depend on the machine and on what else it does; the ratios are what counts.
"""
