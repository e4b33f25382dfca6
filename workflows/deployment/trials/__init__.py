"""A real test job through each manager; a module for each, with the same names in it."""
