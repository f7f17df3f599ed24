"""A GGUF file made ready for Ollama: a Modelfile whose template is Go, and not Jinja.

chat_shape.py finds what a chat template puts around each turn, go_template.py writes that as a Go template and renders
it, and modelfile.py puts both together with the stops and the parameters.
"""
