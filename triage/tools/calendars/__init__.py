"""Where time is set aside: one file per system."""
