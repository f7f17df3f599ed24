"""The service under load, beside others, and under attack."""
