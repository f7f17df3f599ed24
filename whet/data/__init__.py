"""Files to rows, rows to tokens, tokens to batches; prepare.py puts them together."""
