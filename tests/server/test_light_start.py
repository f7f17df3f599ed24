"""What a service need not load it does not: each library takes its time at the start, and its room ever after."""

from __future__ import annotations

import subprocess
import sys


def test_the_service_loads_no_statistics() -> None:
    program = (
        "import sys; import whet.server.application\n"
        "heavy = {'scipy.stats', 'sklearn', 'pandas', 'matplotlib', 'ray'} & sys.modules.keys()\n"
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
