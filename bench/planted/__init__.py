"""How much of what is planted each check of the doctor finds, and how often it is wrong about clean rows.

A file a group of checks: text.py (what stands in one row) and sets.py (what many rows show together). Each has a table
    PLANTS: dict[code, Plant]
and a Plant takes clean records as they stand in a file, and gives records with the defect and the indices (from 0) of
the rows that the check should name. Rows with the defect are a share of all (SHARE), so that recall and false alarms
come from one run; a check that tells of the data as a whole names the rows that make it so.
"""
