"""What is asked about runs: curves, failures, the frontier."""
