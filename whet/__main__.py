"""`python -m whet` is `whet`."""

from __future__ import annotations

from whet.cli.main import main

if __name__ == "__main__":
    main()
