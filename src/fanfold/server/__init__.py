"""The server process: what it is made of (`parts`) and how it lives and ends (`process`)."""
