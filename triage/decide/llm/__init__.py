"""The last step before a person: ask a language model about one report. Needs the extra `llm`.

The model has no tools and no secrets: one bounded text goes in, one object comes out whose every field is checked.
The libraries take more than a second to load, so nothing imports this package before it is needed.
"""
