"""Evaluating and training the matcher of persons on files: reading, measuring, drawing."""
