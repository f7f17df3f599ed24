"""Keys that are right alone and wrong together."""
