"""Record by another program until told to stop."""

import signal
import subprocess


class Recorder:
    """One recording."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    @property
    def is_recording(self):
        return self.process.poll() is None

    def stop(self, timeout=1):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout)

    def discard(self):
        self.process.kill()
        self.process.wait()
