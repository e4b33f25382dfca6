"""Jobflow makers that wire calculators and the database together."""
