"""Files that clients uploaded, and what the doctor found in them."""
