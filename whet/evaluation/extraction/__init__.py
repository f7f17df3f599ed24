"""What a model meant, taken out of what it wrote."""
