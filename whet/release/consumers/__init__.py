"""What reads a released model in the end, one file each: the real libraries, never Whet's own engine."""
