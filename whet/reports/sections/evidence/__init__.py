"""What was measured of the task and beside it: scores, classes, fields, costs, answers."""
