"""What a run shows to a person: ``index.html`` of a profile, and what differs between two runs.

``collect`` reads a results folder, ``page`` writes the report, ``changes`` compares two folders and ``difference``
writes their page. Templates, style and script lie in ``templates/``; both pages are one file each and ask for nothing
from a network.
"""
