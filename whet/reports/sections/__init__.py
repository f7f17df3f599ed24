"""One file a section of the report, its template beside it; whet/reports/section_list.py finds them."""
