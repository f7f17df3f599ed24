"""Monitor: what was asked of a model in use, what people said, and whether it still fits."""
