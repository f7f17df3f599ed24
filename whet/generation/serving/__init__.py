"""Many requests written at once in one batch that stays open: each with its own adapter, sampling and grammar."""
