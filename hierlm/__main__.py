"""``python -m hierlm``: the same as the command ``hierlm``."""

import sys

from hierlm.cli import main

if __name__ == "__main__":
    sys.exit(main())
