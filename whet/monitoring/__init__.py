"""What people ask a tuned model in use, and whether it still fits them."""
