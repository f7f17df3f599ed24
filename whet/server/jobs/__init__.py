"""Fine-tuning jobs: from OpenAI's request to a recipe, the durable queue, and the process that works it off."""
