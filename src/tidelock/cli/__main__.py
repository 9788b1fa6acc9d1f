"""`python -m tidelock.cli`: the same as the `tidelock` script."""

import sys

from tidelock.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
