"""The one engine that writes text: sampling, batches and the cache; who speaks with a model, here or behind a URL."""
