"""What the logged requests of a model ask for, and which model is enough for it."""
