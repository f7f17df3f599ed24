"""Sentence encoders: texts to vectors. Each is read from safetensors and JSON alone, or asked at a URL."""
