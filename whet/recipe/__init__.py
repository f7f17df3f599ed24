"""What the user asks for: the schema, how it is read, and the rules that fill what is left out."""
