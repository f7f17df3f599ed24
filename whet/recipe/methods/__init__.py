"""Keys of training methods."""
