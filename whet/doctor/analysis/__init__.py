"""What checks know of many texts: words, neighbours, topics, languages, labels."""
