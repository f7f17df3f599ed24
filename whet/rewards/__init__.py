"""What scores an answer: rewards of reinforcement learning, and the comparisons that the metrics are made of."""
