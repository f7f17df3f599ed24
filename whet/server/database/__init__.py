"""What the service remembers: SQLite in its home folder, or Postgres where several machines share it."""
