"""What was asked for beyond the verdict: more data, confidence, luck, likes, the reference model."""
