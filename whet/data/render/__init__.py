"""Rows to tokens: the template, its spans, and one file a rendering."""
