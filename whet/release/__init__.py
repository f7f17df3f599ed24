"""What leaves the house: a tuned model in the forms that others read, and a proof that it is what was trained."""
