"""How weights and moments are kept and moved, and the rate."""
