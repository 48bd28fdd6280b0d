"""The strict papermill runner: what is run, what it must deliver, and how results are compared and shown."""
