"""The checks. A new file here joins by itself (whet/doctor/check_registry.py)."""
