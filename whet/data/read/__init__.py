"""Files, tables and sets of the Hub to raw rows."""
