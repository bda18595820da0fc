"""One pure use case for each stage: what it concludes, and what it plans for the stage after it."""
