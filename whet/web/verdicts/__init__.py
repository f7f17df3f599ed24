"""The verdict on a run: what the report says, live, and its answers side by side."""
