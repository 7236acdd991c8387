"""What is going on, in one line that is always the same one; nothing where nobody looks."""
import shutil
import sys


class Progress:
    def __init__(self, stream=None):
        self.stream = sys.stderr if stream is None else stream
        self.visible = self.stream.isatty()

    def show(self, text):
        if self.visible:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write("\r\033[K" + text[:width])
            self.stream.flush()

    def clear(self):
        self.show("")
