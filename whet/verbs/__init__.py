"""What Python and the command line call: one tune, its stages, and studies of runs."""
