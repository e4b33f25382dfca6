"""The managers of jobs that a campaign can be handed to; a module for each, with the same names in it."""
