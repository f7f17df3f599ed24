"""Code of answers, shut in."""
