"""What leaves this disk: nothing in it names a folder of it."""
