"""The arms of a comparison, asked and told apart."""
