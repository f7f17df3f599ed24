"""A base in a GGUF file, llama.cpp's format, unpacked once into a folder that the rest of Whet loads like any other.

header.py reads what the file says, architecture.py makes a config and names of it, tokenizer.py its tokenizer, and
convert.py writes the folder.
"""
