"""What keeps the base's abilities while it learns."""
