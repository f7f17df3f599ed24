"""Logs that other servers wrote, read into traces: one file a format, told by its content."""
