"""Runs: the list of them, and one as it goes: what it is at, its curves, what was chosen for it, and what to do."""
