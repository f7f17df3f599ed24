"""How good a retriever is, and what the model makes of its passages."""
