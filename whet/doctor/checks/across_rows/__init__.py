"""Rows that agree or disagree with each other."""
