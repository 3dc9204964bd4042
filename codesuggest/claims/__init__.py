"""What billing receives."""
