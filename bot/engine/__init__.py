"""The model's server: scheduler, cache, sampler, loop and OpenAI's API over them.

The only room, with training, that imports torch. It knows nothing of the bot but its settings
and its errors. Importing the package asks libgomp to sleep at barriers; libgomp reads these
variables once, when torch loads it, so they must stand before that. With one core busy, two
spinning threads were measured 7 to 10 times slower than two sleeping ones.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
