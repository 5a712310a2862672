"""Builds the site: `make site`, or `python -m docs.site`."""
