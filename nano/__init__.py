"""The nano model: a seeded corpus and what is needed to pre-train a tiny Llama on it."""
