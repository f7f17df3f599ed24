"""What is measured of methods whose model writes no answers, or others' answers."""
