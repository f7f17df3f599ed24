"""Raw rows to rows: formats, columns, conversations, preferences."""
