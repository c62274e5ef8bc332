"""Measures Fanfold beside the tools people would use instead: same input, same app, same output."""
