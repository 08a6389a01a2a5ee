"""What an exchange publishes of the past, into the lake's inbox."""
