"""What is read of the logits without their ever existing all at once."""
