"""From messages to tokens as in training, and from tokens back to text, tool calls and JSON."""
