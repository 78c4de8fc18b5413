"""``python -m ecg_core …`` is ``ecg …``, so that torchrun can start it."""

from ecg_core.cli.main import main

main()
