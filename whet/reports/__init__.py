"""HTML, SVG and Markdown from the files of a run."""
