"""A new run: few choices, the recipe that they make, what it will take, and the job."""
