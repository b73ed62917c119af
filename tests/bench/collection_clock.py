"""A pytest plugin: appends how long this process collected, in seconds, to the file COLLECTION_CLOCK."""

import os
import time


class Clock:
    def __init__(self, path):
        self.path = path
        self.began = time.perf_counter()

    def pytest_collection(self):
        self.began = time.perf_counter()

    def pytest_collection_finish(self):
        with open(self.path, "a") as file:
            print(time.perf_counter() - self.began, file=file)


def pytest_configure(config):
    distributes = getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput")
    path = os.environ.get("COLLECTION_CLOCK")
    if path and not distributes:
        config.pluginmanager.register(Clock(path))
