"""What the scripts that measure share: answers of the `normgraft` program, kept in a file, and the machine's name."""

import json
import platform
import subprocess


class Answers:
    """Asks `program`, and keeps what was worked out in `file`, so that an interrupted measurement goes on."""

    def __init__(self, program, file):
        self.program, self.file = program, file
        self.known = json.loads(file.read_text()) if file.exists() else {}

    def normgraft(self, *words):
        command = [str(self.program), *map(str, words), "--json"]
        print("+", *command, flush=True)
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    def once(self, key, work):
        if key not in self.known:
            self.known[key] = work()
            self.file.write_text(json.dumps(self.known, indent=1))
        return self.known[key]


def cpu():
    with open("/proc/cpuinfo") as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
