"""What a caller may ask, by whichever door: plain functions of stores and storage, no HTTP, no terminal."""
