"""Many who do something at the same moment, each on a database connection of their own."""

import threading
from collections.abc import Callable

from django.db import connection


def together(count: int, act: Callable[[int], object]) -> list[BaseException]:
    """Do it in so many threads at once; what they raised."""
    failures: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            gate.wait()
            act(number)
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number + 1,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
