"""Documents, passages, retrievers, and rows that are answered from them."""
