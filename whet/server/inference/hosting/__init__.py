"""Threads that hold models: opened at first use, proved before they answer."""
