"""Where people are told: one file per system."""
