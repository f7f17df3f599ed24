"""The forms that a tuned model leaves in, one file each."""
