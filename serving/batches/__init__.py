"""Files and batches: what is uploaded is checked, becomes jobs, and ends as files of answers."""
