"""Losses as pure functions of log-probabilities; what a learner does with them is in whet/training/learners/."""
