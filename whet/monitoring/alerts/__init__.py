"""Whom an alarm is told, once: a webhook, Prometheus."""
