"""The HTTP side: routes, streams, limits, health, metrics and the page."""
