"""Is the data good? One file a check, in whet/doctor/checks/."""
