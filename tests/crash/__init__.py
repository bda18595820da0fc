"""A process is killed at every point where the outside world can change, and what came of it is counted."""
