"""What an exchange publishes or tells of the past, into the lake's inbox."""
