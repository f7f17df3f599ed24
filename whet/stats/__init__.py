"""Intervals, tests, power and agreement: numbers in, numbers out. Knows no model and no row."""
