"""Thousands of runs while all around them is killed, frozen, emptied and lied to; the other side's ledger judges.

`python -m tests.chaos --seconds 300 --seed 1`. The same seed and length give the same schedule of faults.
"""
