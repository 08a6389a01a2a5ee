"""The collector's own disk: what was received is kept there until it has landed."""
