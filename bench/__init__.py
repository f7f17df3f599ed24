"""Whet beside TRL + PEFT and transformers, and against the machine's own limit. `make bench`; see README.md."""
