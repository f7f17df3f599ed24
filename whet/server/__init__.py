"""The service: OpenAI's API over models that Whet tuned, and over its jobs. Needs `pip install 'whet[server]'`."""
