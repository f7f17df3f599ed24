"""A model folder written as a GGUF file, llama.cpp's format: the way back of whet/model/gguf, over the same names.

architecture.py makes keys of its config, vocabulary.py of its tokenizer, write.py puts both and the weights into a
file, tensor after tensor; adapter.py does so for an adapter alone.
"""
