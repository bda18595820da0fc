"""One module for each page or kind of action; each has its `ROUTES`."""
