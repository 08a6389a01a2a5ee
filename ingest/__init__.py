"""From the exchange to the landing zone. Never imports Spark."""
