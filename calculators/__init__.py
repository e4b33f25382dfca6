"""Codes that turn an absorber into a spectrum: one folder each, with the same file names."""
