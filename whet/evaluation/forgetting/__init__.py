"""What the base could do before: measures, skills, suites, and their budget."""
