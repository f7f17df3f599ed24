"""What is kept of answers: their numbers, their texts where that was asked for, and what people said of them."""
