"""Fanfold splits inputs into chunks, runs a script on every chunk and folds the results into one output."""

__version__ = "0.1.0"
