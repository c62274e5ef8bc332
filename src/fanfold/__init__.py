"""Fanfold splits inputs into chunks, runs a script on every chunk and folds the results into one output.

`fanfold.Client`, `fanfold.AsyncClient` and `fanfold.map` are loaded when they are first used.
"""

TYPE_CHECKING = False  # the one of `typing` costs 4 ms of start-up; type checkers know this one as well
if TYPE_CHECKING:
    from fanfold.client import AsyncClient, Client, map  # noqa: A004 - it is used as fanfold.map

__version__ = "0.1.0"

__all__ = ["AsyncClient", "Client", "__version__", "map"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'fanfold' has no attribute '{name}'")
    import importlib

    found: object = getattr(importlib.import_module("fanfold.client"), name)
    return found
