"""One file a question that is put to the traces."""
