"""Jobs that train on a Ray cluster: submitted from the queue, one Ray job each, with the same states as here."""
