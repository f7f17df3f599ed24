"""What the rows have too much or too little of."""
