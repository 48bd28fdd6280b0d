"""Many recordings at once, on this machine or a cluster: workers, the journal of a run, and what one task is."""
