"""What is known before anything is trained: work, refusals, and what a run will need."""
