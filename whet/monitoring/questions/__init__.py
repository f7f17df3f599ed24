"""One file a question: what was seen, and the alarm where something has changed."""
