"""What the tuned model must beat beside its base, and the verdict over all of them."""
