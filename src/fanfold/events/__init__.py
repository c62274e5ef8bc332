"""From the store's history to those who listen."""
