"""Was it worth it? Scores of answers, the paired verdict, forgetting, and the report of a run."""
