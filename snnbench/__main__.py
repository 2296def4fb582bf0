"""`python -m snnbench`: the same as the console script, for torchrun and srun."""

import sys

from snnbench.cli.main import main

sys.exit(main())
