"""Data: files come in, the doctor looks at them, and one sees what the model will see."""
