"""OpenTelemetry spans of requests to models and of fine-tuning jobs, where the operator asks for them."""
