"""Jinja templates; installed as the package `web.templates`."""
