"""Images: what containers are made of, fetched by tag and pinned by the id of what that tag meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fanfold.jobs.secrets import Credential


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here: its id (the SHA-256 of its configuration, which names its layers by theirs), the runtime
    that has it, and the environment that it gives its programs."""

    id: str
    runtime: str
    env: Mapping[str, str] = field(default_factory=dict)


class Images(Protocol):
    """Fetches images. Safe to call from any thread."""

    def problem(self) -> str:
        """Why there can be no containers here, as a sentence with its mend; "" where there can."""

    def has(self, image: Image) -> bool:
        """Whether it is still here."""

    def fetch(self, name: str, credential: Credential | None, stopped: Callable[[], bool]) -> Image:
        """The image that a name means now; seconds to minutes. Safe to repeat.

        An image that somebody's credential fetched is had by those only whom its registry gives it. Raises BadInput
        where there is none, in the runtime's words; Unavailable where its registry does not answer, or `stopped` says
        so meanwhile; MissingPart where no runtime is here.
        """
