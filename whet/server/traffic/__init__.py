"""A version beside the live one: who meets it, what it answers, and what came of that."""
