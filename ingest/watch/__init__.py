"""How a collector is: for its status, its metrics and its alerts."""
