"""Other servers that write the answers: vLLM, SGLang, llama.cpp's, and whatever speaks OpenAI's API."""
