"""Verbs that find out which model, and which way, is enough."""
