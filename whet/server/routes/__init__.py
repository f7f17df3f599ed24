"""The paths of the API, a file each. Thin: what they do is in the rooms beside this one."""
