"""What stands above the list of contents: how the run ended, and the answer."""
