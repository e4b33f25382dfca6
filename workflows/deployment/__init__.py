"""Deployment: configurations of the machines that campaigns run on, written and tried out."""
