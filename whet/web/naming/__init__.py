"""Models: names and their versions, what is live, and what answers beside them."""
