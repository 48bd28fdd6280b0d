"""Results that can be shared: a copy without pictures, landmarks and names, and a check of such a copy."""

from dfe_lib.sharing.check import check
from dfe_lib.sharing.scrub import Scrubbed, scrub, write_key

__all__ = ["Scrubbed", "check", "scrub", "write_key"]
