"""What takes the place of the output layer: scores of classes, a reward, a value."""
