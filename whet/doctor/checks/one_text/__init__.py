"""What is wrong with a text by itself."""
