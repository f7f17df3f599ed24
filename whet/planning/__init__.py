"""Will it fit, how long will it take, and which settings fit. Torch-free: everything follows from a config."""
