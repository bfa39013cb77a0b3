"""Many requests on one connection or call: some in work at once, their answers told in the order of the questions."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from mlserve.runtime.inference import CLIENT_GONE
from mlserve.runtime.protocols.base import Call
from mlserve.runtime.scheduling.dispatch import Dispatcher, Stream
from mlserve.runtime.trouble import Trouble, trouble

if TYPE_CHECKING:
    from mlserve.runtime.observe.exchange import Exchange

AT_ONCE = 16
"""Requests in work at the same time."""
_UNREADABLE = "reading the request failed"
_UNWRITABLE = "the processor's outputs can't be written"


class Asked(Protocol):
    """A request, read."""

    @property
    def call(self) -> Call:
        """For the model."""


class Speaker(Protocol):
    """The words of one protocol, and the way to its client."""

    path: str
    """For the log of what goes wrong."""
    deadline: float
    """Seconds to a request's first answer, and between two."""

    def dispatcher(self) -> Dispatcher:
        """Raises what a request is answered with as long as there is none."""

    def watch(self, size: int) -> Exchange | None:
        """For those who watch, where anybody does."""

    def read(self, message: Any) -> Any:
        """An `Asked`; whatever is raised is the answer."""

    def part(self, asked: Any, outputs: Mapping[str, Any]) -> Any:
        """A message for one answer."""

    def last(self, asked: Any) -> Any:
        """A message that says that there are no more answers; ``None`` where that is not said."""

    def trouble(self, asked: Any, why: Trouble) -> Any:
        """A message for an error; ``asked`` is ``None`` where it was not read."""

    def send(self, message: Any) -> None:
        """To the client."""

    @property
    def crowded(self) -> bool:
        """The client takes its answers more slowly than they come."""

    def done(self, size: int, status: int) -> None:
        """A request of that size is answered, with a status as HTTP counts."""

    def finished(self) -> None:
        """All are answered, and no more will come."""


class _Turn:
    """One request: its answers wait here until those before it are told."""

    __slots__ = ("answers", "asked", "made", "over", "seen", "sent", "size", "status")

    def __init__(self, size: int, seen: Exchange | None) -> None:
        self.seen = seen
        self.asked: Asked | None = None
        self.answers: Stream | None = None
        self.made: list[Any] = []
        self.over = False
        self.size = size
        self.status = 200
        self.sent = 0


class Turns:
    """One client's."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._turns: deque[_Turn] = deque()
        self._waiting: deque[tuple[Any, int]] = deque()
        self._ended = self._left = self._telling = False

    @property
    def busy(self) -> bool:
        return bool(self._turns)

    def take(self, message: Any, size: int) -> None:
        """The next request."""
        if len(self._turns) < AT_ONCE:
            self._begin(message, size)
        else:
            self._waiting.append((message, size))

    def no_more(self) -> None:
        """The client asks for nothing more."""
        self._ended = True
        self._tell()

    def gone(self) -> None:
        """Nobody waits for the rest."""
        self._left = True
        self._waiting.clear()
        while self._turns:
            turn = self._turns.popleft()
            if turn.answers is not None:
                turn.answers.cancel()
            if turn.seen is not None:
                turn.seen.finish(CLIENT_GONE, turn.sent)

    def room(self) -> None:
        """The client has taken most of what it was sent."""
        if self._turns and (answers := self._turns[0].answers) is not None and answers.paused:
            answers.resume()

    def _begin(self, message: Any, size: int) -> None:
        turn = _Turn(size, self._speaker.watch(size))
        self._turns.append(turn)
        try:
            dispatcher = self._speaker.dispatcher()
            asked = turn.asked = self._speaker.read(message)
            if turn.seen is not None:
                turn.seen.follow(asked.call)
            end = partial(self._end, turn)
            turn.answers = dispatcher.stream(asked.call, partial(self._part, turn), end, self._speaker.deadline)
            if turn.seen is not None:
                turn.seen.job = turn.answers
        except Exception as exc:  # noqa: BLE001 - one odd message must not take the connection, or the server, with it
            self._fail(turn, exc, _UNREADABLE)

    def _part(self, turn: _Turn, outputs: Mapping[str, Any]) -> None:
        if turn.seen is not None:
            turn.seen.computed, turn.seen.outputs = perf_counter(), outputs
        try:
            message = self._speaker.part(turn.asked, outputs)
        except Exception as exc:  # noqa: BLE001 - a user's output may hold anything
            if turn.answers is not None:
                turn.answers.cancel(exc)
            self._fail(turn, exc, _UNWRITABLE)
            return
        turn.made.append(message)
        if turn is self._turns[0]:
            self._tell()
        elif turn.answers is not None:
            turn.answers.pause()

    def _end(self, turn: _Turn, error: BaseException | None) -> None:
        if error is not None:
            self._fail(turn, error, "the processor failed")
            return
        if not turn.over and (last := self._speaker.last(turn.asked)) is not None:
            turn.made.append(last)
        turn.over = True
        self._tell()

    def _fail(self, turn: _Turn, error: BaseException, what: str) -> None:
        """An error is an answer, too: the connection goes on."""
        if turn.over:
            return
        why = trouble(error, path=self._speaker.path, what=what)
        turn.made.append(self._speaker.trouble(turn.asked, why))
        turn.over, turn.status = True, why.status
        self._tell()

    def _tell(self) -> None:
        """Send what is due; begin what has waited."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._turns and not self._left and self._tell_first(self._turns[0]):
                pass
        finally:
            self._telling = False
        if self._ended and not self._turns and not self._left:
            self._left = True
            self._speaker.finished()

    def _tell_first(self, first: _Turn) -> bool:
        """True when it is over, and the next one's turn has come."""
        made, first.made = first.made, []
        for message in made:
            first.sent += len(message)
            self._speaker.send(message)
        if self._left:
            return False  # sending ended it
        if not first.over:
            if first.answers is not None and self._speaker.crowded:
                first.answers.pause()
            return False
        self._turns.popleft()
        if first.seen is not None:
            first.seen.finish(first.status, first.sent)
        self._speaker.done(first.size, first.status)
        if self._turns and (answers := self._turns[0].answers) is not None:
            answers.resume()
        if self._waiting and not self._left:
            self._begin(*self._waiting.popleft())
        return True
