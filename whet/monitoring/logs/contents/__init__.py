"""What stands in a record of a log, whatever its format: times, messages, calls, spans, opinions."""
