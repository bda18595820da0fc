"""Thousands of reports that only a model can decide, budgets that bind, workers that are killed; the books judge.

`python -m tests.money --runs 2000 --seed 1`. The seed gives what the model does, and the order of the kills.
"""
