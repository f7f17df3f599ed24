"""What a watch remembers from one look to the next, in bounded room."""
