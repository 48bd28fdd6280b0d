"""An extraction in two passes: what is seen in each frame, and then ψ against the neutral face of all of them.

``first`` and ``second`` are the passes, ``segments`` has the first one done in pieces that know nothing of each other,
``parts`` keeps what a piece has seen in a file, ``sampling`` draws the faces that the neutral one is estimated from.
"""
