"""What happened: run folders of plain files, an index that can be rebuilt from them, and the model registry."""
