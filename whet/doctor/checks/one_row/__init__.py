"""What is wrong with a row by itself."""
