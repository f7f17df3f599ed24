"""What the rows that are learned give away of those that are held out."""
