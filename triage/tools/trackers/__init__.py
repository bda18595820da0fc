"""Where tickets are filed: one file for each system."""
