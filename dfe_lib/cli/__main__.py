"""``python -m dfe_lib.cli``, for launchers such as torchrun that want a module."""

from dfe_lib.cli import main

main()
