"""The studio: what the verbs and the service know, as web pages (docs/running/studio.md)."""
