"""What readers other than Spark are told of the lake: records of Glue, and SQL."""
