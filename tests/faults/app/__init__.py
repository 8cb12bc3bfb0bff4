"""A Django app for the sites that these tests kill: agent functions, and tools whose effects can be counted."""
