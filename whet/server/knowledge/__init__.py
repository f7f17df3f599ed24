"""Documents that may change while answers rest on them: vector stores, and a folder."""
