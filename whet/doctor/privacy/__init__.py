"""Personal data, secrets and national ids, and how they are taken out."""
