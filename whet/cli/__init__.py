"""The command line: one file a verb; render.py and progress.py own how things look in a terminal."""
