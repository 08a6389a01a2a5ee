"""What is expected of the tables' rows, and how it is checked. Only here is Great Expectations known."""
