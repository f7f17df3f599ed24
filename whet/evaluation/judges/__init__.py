"""Models and people that say which answer is better."""
