"""The next version of a model in use: from what it saw, or on another base."""
