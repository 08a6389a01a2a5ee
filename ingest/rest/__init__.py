"""The venues' REST halves and their published files: what they are asked, within which budget, and what becomes of it."""
