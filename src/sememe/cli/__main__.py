"""`python -m sememe.cli` is the command `sememe`."""

import sys

from sememe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
