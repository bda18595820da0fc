"""The deciders: what a report is, how bad it is and whom to tell."""
