"""Guards: wrappers with a tool's own signature that say no, or not now, before anything leaves; see `chain`."""
