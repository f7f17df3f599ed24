"""From a prepared source to trained weights; session.py reads downwards in the order in which things happen."""
