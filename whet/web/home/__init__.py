"""Home: what is live, what runs, what waits, and what needs a person."""
