"""What apps find in tasks, made once for those with the same config or content: the clients of a process get such."""

from typing import Any

from flwr.app import ArrayRecord, ConfigRecord

from federation.protocol.messages import ContentHeader, Task
from federation.weights.flower_content import config_for_apps, plain_values
from federation.weights.layout import Buffer, Layout, NumpyArray
from federation.weights.records import record_of

Config = dict[str, Any]


class TaskInputs:
    """The config and the arrays of the last task. Only the worker's thread may use it, for any number of clients.

    ``keep_content``: the content is kept until a task has another one. The memory of weights is worth that only where
    other clients of the process get the same.
    """

    def __init__(self, *, keep_content: bool = False) -> None:
        self._keep_content = keep_content
        self._source: Config | None = None
        self._config: Config = {}
        self._recorded: Config = {}
        """The config that the record is of, and its plain values."""
        self._plain: Config = {}
        self._record = ConfigRecord()
        self._header: ContentHeader | None = None
        self._buffer: Buffer = b""
        self._layout = Layout(())
        self._arrays: list[NumpyArray] = []

    def config(self, task: Task) -> Config:
        """Return the fields of a task's config for an app: do not change them, the next task may have the same."""
        if task.config is not self._source:
            self._config, self._source = config_for_apps(task.config), task.config
        return self._config

    def config_record(self, task: Task) -> ConfigRecord:
        """Return the config as a record, which belongs to the caller."""
        config = self.config(task)
        if config is not self._recorded:
            options = task.config.get("app_config", {})  # Flower's apps read some there and some in ``run_config``
            self._record, self._plain = self._changed(plain_values(config | options))
            self._recorded = config
        record = self._record.copy()
        for key, value in self._plain.items():
            if isinstance(value, list):
                record[key] = list(value)
        return record

    def layout(self, header: ContentHeader) -> Layout:
        """Return the layout of a content."""
        if header is not self._header:
            self._header, self._layout = header, Layout.from_json(header.layout)
            self._buffer, self._arrays = b"", []
        return self._layout

    def arrays(self, header: ContentHeader, buffer: Buffer) -> ArrayRecord:
        """Return the arrays of a content as read-only views of it: the next task may have the same content."""
        layout, arrays = self.layout(header), self._arrays
        if buffer is not self._buffer:
            arrays = layout.unpack(memoryview(buffer).toreadonly())
            if self._keep_content:
                self._buffer, self._arrays = buffer, arrays
        return record_of((entry.name, array) for entry, array in zip(layout.entries, arrays, strict=True))

    def _changed(self, plain: Config) -> tuple[ConfigRecord, Config]:
        """Return a config as a record: the last one with what has changed, for to make a new one takes long."""
        known = self._plain
        if plain.keys() != known.keys():
            return ConfigRecord(plain), plain
        record = self._record.copy()
        for key, value in plain.items():
            if value != known[key] or type(value) is not type(known[key]):
                record[key] = value
        return record, plain
