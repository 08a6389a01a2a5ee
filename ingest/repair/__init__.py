"""`python -m ingest repair`: the lake's open gaps, filled over REST and from published files."""
