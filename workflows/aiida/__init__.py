"""Lineage as native nodes of AiiDA: written into archives and profiles."""
