"""Who may do what: projects, keys, scopes, limits, and the book of what administrators did."""
