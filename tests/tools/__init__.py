"""Tests of the adapters: `python -m tests.tools` plays all cases and prints the table."""
