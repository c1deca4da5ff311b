"""Calls `run` of a task or a role with an adapter, in the interpreter of the adapter's own venv.

python child.py MODULE ADAPTER JSON-ARGUMENTS
"""

import json
import sys
from importlib import import_module

import channel
from adapters import adapter

if __name__ == "__main__":
    channel.claim()
    module, name, arguments = sys.argv[1:]
    answer = import_module(module).run(adapter(name), *json.loads(arguments))
    if answer is not None:
        channel.say(answer)
