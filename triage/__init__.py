"""Bug reports in, exactly one ticket and one notice out, whatever is killed whenever."""
