"""How files of the past become parquet: for the job `compact` alone."""
