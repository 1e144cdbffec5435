"""The model's server: scheduler, cache, sampler, loop and OpenAI's API over them.

The only room, with training, that imports torch. It knows nothing of the bot but its settings
and its errors. Importing the package asks libgomp, which torch's threads wait in, to spin for about
a millisecond before it sleeps; it reads these variables once, when torch loads it, so they must
stand before that. A decode step of the default model enters 200 loops, and to wake a thread for
each took half of the step: 72 ms asleep, 27 ms spinning. What spinning costs where other programs
want the same cores, `threads.Crew` undoes.
"""

import os
import sys

if sys.platform.startswith("linux"):  # others come with other libraries, where ACTIVE never sleeps
    os.environ.setdefault("OMP_WAIT_POLICY", "ACTIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "100000")
