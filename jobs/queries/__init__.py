"""One module a channel of the landing zone: what a batch does to the tables."""
