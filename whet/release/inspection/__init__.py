"""What differs between an export and the same export made anew: the cause in the files behind what a proof sees.

tensors.py says how weights differ, settings.py what the text files beside them say, gguf_file.py both of a GGUF file,
and inspect.py puts them together.
"""
