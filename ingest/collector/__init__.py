"""Live feeds into the landing zone: connections, their continuity, and the repair of what is missing."""
