"""Plain text as blocks."""
