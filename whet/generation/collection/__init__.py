"""A teacher's answers as rows."""
