"""What is asked about runs: would a prompt do, would more rows help, what fails, what did the gain cost."""
