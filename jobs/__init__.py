"""From the landing zone to the tables. A file here is a job; a folder is a layer."""
