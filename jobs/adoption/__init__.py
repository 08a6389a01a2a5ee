"""What files of other systems say: which format each is in, and the landing lines or rows that come of it."""
