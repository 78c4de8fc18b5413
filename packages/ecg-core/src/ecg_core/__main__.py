"""``python -m ecg_core …`` is ``ecg …``, so that torchrun can start it."""

from ecg_core.cli.app import main

main()
