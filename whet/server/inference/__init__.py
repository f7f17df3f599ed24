"""Answers: which model a name means, and the thread that writes for everybody at once."""
