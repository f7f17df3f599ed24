"""What a worker's child does: a job is trained, a chore done. Most of it needs torch; no server imports it."""
