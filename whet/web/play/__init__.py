"""The playground: one question, several models side by side."""
