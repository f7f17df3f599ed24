"""Was it worth it? Scores of answers, opponents, the paired verdict, forgetting, and studies of runs."""
