"""Verbs that keep a model in use up to date."""
