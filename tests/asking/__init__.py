"""An app whose agent functions ask people: for browser tests. The settings are `tests.asking_site`."""
