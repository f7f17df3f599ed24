"""The service: starting it, and its keys."""
