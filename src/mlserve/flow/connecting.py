"""Connect the steps: as written, else by equal name, else the only output to the only input. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlserve.flow.fitting import mismatch
from mlserve.flow.nodes import REQUEST, Flow, Mistake, Node, Port, Ports, Source, Wire
from mlserve.flow.sources import written


def connect(nodes: Sequence[Node]) -> Flow:
    """The flow through these steps in their order, with every mistake there is."""
    return _Connecting(nodes).run()


class _Connecting:
    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.given: list[Ports | None] = []
        self.feeds: list[Mapping[str, Source] | None] = []
        self.requested: dict[str, Port] = {}
        self.used: set[int] = set()
        self.mistakes: list[Mistake] = []

    def run(self) -> Flow:
        for index, node in enumerate(self.nodes):
            feeds = self._feeds(index, node)
            self.feeds.append(feeds)
            if feeds is None and index:
                self.used.add(index - 1)
            self.used |= {source.step for source in (feeds or {}).values()}
            self.given.append(self._outputs(index, node, feeds))
        answer = self._answer()
        if not self.mistakes:
            self._require_use(answer)
        ports = tuple(self._named(name, source) for name, source in answer or ())
        is_open = bool(self.feeds) and self.feeds[0] is None
        return Flow(tuple(self.feeds), tuple(self.requested.values()), is_open, answer, ports, tuple(self.mistakes))

    def _feeds(self, index: int, node: Node) -> Mapping[str, Source] | None:
        feeds = {
            sink: source for sink, text in node.takes.items() if (source := self._written(index, node, sink, text))
        }
        if not node.inputs:
            return feeds if node.takes or (node.inputs == () and not node.open) else None
        left = [port for port in node.inputs if port.name not in node.takes]
        for port in left:
            source = self._default(index, port, [other for other in left if not other.optional])
            if source is not None:
                feeds[port.name] = source
        for port in node.inputs:
            if port.name in feeds:
                self._fit(index, node, port, feeds[port.name])
        return feeds

    def _written(self, index: int, node: Node, sink: str, text: str) -> Source | None:
        names = [port.name for port in node.inputs or ()]
        source = written(text, self.nodes, index, self.given)
        if node.inputs is not None and not node.open and sink not in names:
            source = f'step "{node.name}" has no input "{sink}" (inputs: {", ".join(names) or "none"})'
        if isinstance(source, str):
            self._wrong((index, "inputs", sink), source)
            return None
        if source.step < 0:
            self._request(index, sink, Wire(source.name or sink))
        return source

    def _default(self, index: int, port: Port, wanted: Sequence[Port]) -> Source | None:
        for earlier in reversed(range(index)):
            if any(port.name == given.name for given in self.given[earlier] or ()):
                return Source(earlier, port.name)
        only = self._only(index, port, wanted)
        if only is not None and (port.name not in self.requested or not self._claimed(index - 1)):
            return only
        if index and port.optional and port.name not in self.requested:
            return None
        self._request(index, port.name, port)
        return Source(-1, port.name)

    def _only(self, index: int, port: Port, wanted: Sequence[Port]) -> Source | None:
        """The one output of the step before for the one input that is left; of an undeclared step what it will give."""
        if not index or port.optional:
            return None
        given = self.given[index - 1]
        if given is None:
            return Source(index - 1, None if len(wanted) == 1 else port.name)
        return Source(index - 1, given[0].name) if len(given) == 1 and len(wanted) == 1 else None

    def _claimed(self, step: int) -> bool:
        """Others than the next step ask for what this one gives, so that the next one may be a branch beside it."""
        node, later = self.nodes[step], self.nodes[step + 2 :]
        names = {port.name for port in self.given[step] or ()}
        written = any(text.startswith(f"{node.name}.") for other in later for text in other.takes.values())
        return bool(node.gives) or written or any(port.name in names for other in later for port in other.inputs or ())

    def _request(self, index: int, sink: str, port: Port) -> None:
        known = self.requested.get(port.name)
        if known is None:
            self.requested[port.name] = port
            return
        if known.datatype and port.datatype and known.datatype != port.datatype:
            both = f"{known.datatype} and {port.datatype}"
            self._wrong((index, "inputs", sink), f'"{REQUEST}.{port.name}" is wanted as {both}: convert it in a step')
        self.requested[port.name] = Wire(
            port.name,
            known.datatype or port.datatype,
            known.shape if known.shape is not None else port.shape,
            known.optional and port.optional,
        )

    def _fit(self, index: int, node: Node, port: Port, source: Source) -> None:
        if source.step < 0:
            if port.name in node.takes:
                wish = Wire(source.name or port.name, port.datatype, port.shape, port.optional)
                self._request(index, port.name, wish)
            return
        found = self._port(source)
        wrong = mismatch(found, port) if found else ""
        if wrong:
            name = f"{self.nodes[source.step].name}.{source.name}"
            self._wrong((index, "inputs", port.name), f'step "{node.name}", input "{port.name}" from {name}: {wrong}')

    def _outputs(self, index: int, node: Node, feeds: Mapping[str, Source] | None) -> Ports | None:
        if node.outputs is None or isinstance(node.outputs, tuple):
            return node.outputs
        try:
            return node.outputs({sink: self._port(source) for sink, source in (feeds or {}).items()})
        except ValueError as exc:
            self._wrong((index,), f'step "{node.name}": {exc}')
            return None

    def _port(self, source: Source) -> Port | None:
        if source.step < 0:
            return self.requested.get(source.name or "")
        return next((port for port in self.given[source.step] or () if port.name == source.name), None)

    def _named(self, name: str, source: Source) -> Port:
        port = self._port(source)
        return Wire(name, port.datatype, port.shape) if port else Wire(name)

    def _answer(self) -> tuple[tuple[str, Source], ...] | None:
        chosen: dict[str, Source] = {}
        for index, node in enumerate(self.nodes):
            given = self.given[index]
            for name, output in node.gives.items():
                if given is not None and output not in {port.name for port in given}:
                    shown = ", ".join(port.name for port in given)
                    self._wrong(
                        (index, "outputs", name), f'step "{node.name}" has no output "{output}" (outputs: {shown})'
                    )
                elif name in chosen:
                    self._wrong((index, "outputs", name), f'two steps give "{name}" to the answer: rename one of them')
                else:
                    chosen[name] = Source(index, output)
        if chosen or not self.nodes:
            return tuple(chosen.items())
        last = self.given[-1]
        return None if last is None else tuple((port.name, Source(len(self.nodes) - 1, port.name)) for port in last)

    def _require_use(self, answer: Sequence[tuple[str, Source]] | None) -> None:
        """What a step gives is meant for somebody: that nobody takes it is a name written wrong."""
        used = self.used | {len(self.nodes) - 1} | {source.step for _, source in answer or ()}
        for index, node in enumerate(self.nodes):
            later = self.nodes[index + 1 :]
            if index in used or any(other.inputs is None for other in later):
                continue
            given = [port.name for port in self.given[index] or ()]
            wanted = [port.name for port in later[0].inputs or ()]
            example = f'{{"{wanted[0] if wanted else "input"}": "{node.name}.{given[0] if given else "output"}"}}'
            self._wrong(
                (index,),
                f'nothing uses what step "{node.name}" gives ({", ".join(given)}); step "{later[0].name}" wants '
                f'{", ".join(wanted)}: name the source in its "inputs", such as {example}',
            )

    def _wrong(self, place: tuple[str | int, ...], message: str) -> None:
        self.mistakes.append(Mistake(place, message))
