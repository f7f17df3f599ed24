"""What a worker's child does: a job is trained, a chore done. Most of it needs torch, and the server imports none of it."""
