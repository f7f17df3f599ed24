"""Which base, and which way of asking it, is enough: candidates, their costs, halving, and one recommendation."""
