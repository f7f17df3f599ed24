"""Data for the demo, generated from a seed."""
