"""Where the jobs touch the world: the session, the lake, the leases, the command line."""
