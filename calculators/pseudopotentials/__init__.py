"""Pseudopotentials with core holes for plane-wave spectra: reading, making, testing and keeping them."""
