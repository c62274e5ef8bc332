"""Where input comes from and output goes; one file a kind of place."""
