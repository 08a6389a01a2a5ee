"""Tables as files for others: what a layout is, how its files are put, and what loads them."""
