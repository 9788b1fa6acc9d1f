"""Emits the reader of one message version: one flat function, runs of fixed-size fields in one unpack.

The length of a string or the count of an array joins the run before it; the body of an inner struct stands
inside its array's loop. Buffer overruns are found as tidelock.protocol.primitives describes.
"""

from __future__ import annotations

from dataclasses import replace

from codec_body import INT_ARRAYS, Body, default, size_of, struct_name
from kafka_schema import FIXED, Field, Struct, Versions, min_size


class ReaderEmitter:
    """Builds the lines of `_read_...(buf, pos)` for one version."""

    def __init__(self, version: int, *, flexible: bool, zero_copy: bool) -> None:
        self.version = version
        self.flexible = flexible
        self.zero_copy = zero_copy
        self.body = Body()
        self.run: list[tuple[str, str]] = []
        self.layouts: set[str] = set()
        self.needs_end = False

    def function(self, name: str, root: Struct) -> list[str]:
        """Return the whole function."""
        target = self.body.local("o")
        self.struct(root, target)
        self.flush()
        self.body.put(f"return {target}, pos")
        buffer = "memoryview" if self.zero_copy else "bytes"
        head = [f"def {name}(buf: {buffer}, pos: int) -> tuple[{root.class_name}, int]:"]
        if self.needs_end:
            head.append("    end = len(buf)")
        return head + self.body.lines

    def struct(self, struct: Struct, target: str) -> None:
        """Read a struct into the new object `target`; may leave a run open."""
        put = self.body.put
        put(f"{target} = new({struct.class_name})")
        tags = struct.tags_at(self.version) if self.flexible else []
        for one in struct.fields:
            if one in tags or self.version not in one.versions:
                put(f"{target}.{one.name} = {default(one)}")
        for one in struct.at(self.version):
            self.value(one, f"{target}.{one.name}")
        if self.flexible:
            self.tags(tags, target)

    def value(self, one: Field, target: str) -> None:
        if one.is_array:
            self.array(one, target)
        elif one.type in FIXED:
            self.run.append((FIXED[one.type][0], target))
        elif one.struct is not None:
            self.inner_struct(one, target)
        else:
            self.text(one.type, one, target)

    # --- runs of fixed-size values ---

    def flush(self) -> None:
        """Emit the open run as one unpack."""
        if not self.run:
            return
        layouts = [layout for layout, _ in self.run]
        targets = [target for _, target in self.run]
        self.run = []
        if layouts == ["B"]:
            self.body.put(f"{targets[0]} = buf[pos]", "pos += 1")
            return
        joined = "".join(layouts)
        self.layouts.add(joined)
        comma = "," if len(targets) == 1 else ""
        self.body.put(
            f"{', '.join(targets)}{comma} = {struct_name('unpack', joined)}(buf, pos)",
            f"pos += {size_of(layouts)}",
        )

    def length(self, classic: str) -> str:
        """Read a length or count behind the open run; in both encodings -1 then means null."""
        name = self.body.local("n")
        self.run.append(("B" if self.flexible else classic, name))
        self.flush()
        if self.flexible:
            with self.body.block(f"if {name} > 127:"):
                self.body.put(f"{name}, pos = read_uvarint(buf, pos - 1)")
        return name

    # --- values with a length ---

    def null_check(self, one: Field, name: str, target: str) -> bool:
        """Emit what happens on null; returns whether the rest belongs under `else:`."""
        null = f"if {name} == 0:" if self.flexible else f"if {name} < 0:"
        nullable = self.version in one.nullable
        with self.body.block(null):
            if nullable:
                self.body.put(f"{target} = None")
            else:
                self.body.put(f'raise malformed("{one.name} must not be null")')
        return nullable

    def text(self, kind: str, one: Field, target: str) -> None:
        name = self.length("h" if kind == "string" else "i")
        if self.null_check(one, name, target):
            with self.body.block("else:"):
                self.slice(kind, name, target)
        else:
            self.slice(kind, name, target)

    def slice(self, kind: str, name: str, target: str) -> None:
        stop = self.body.local("e")
        self.body.put(f"{stop} = pos + {name}" + (" - 1" if self.flexible else ""))
        if kind == "string":
            part = f'str(buf[pos:{stop}], "utf-8")' if self.zero_copy else f"buf[pos:{stop}].decode()"
        elif kind == "bytes" and self.zero_copy:
            part = f"bytes(buf[pos:{stop}])"
        else:
            part = f"buf[pos:{stop}]"
        self.body.put(f"{target} = {part}", f"pos = {stop}")

    # --- arrays and inner structs ---

    def array(self, one: Field, target: str) -> None:
        name = self.length("i")
        if self.null_check(one, name, target):
            with self.body.block("else:"):
                self.elements(one, name, target)
        else:
            self.elements(one, name, target)

    def elements(self, one: Field, name: str, target: str) -> None:
        put = self.body.put
        if self.flexible:
            put(f"{name} -= 1")
        if one.element in INT_ARRAYS:
            size = INT_ARRAYS[one.element]
            put(f"{target} = read_{one.element}s(buf, pos, {name})", f"pos += {size} * {name}")
            return
        smallest = self.smallest(one)
        self.needs_end = True
        times = "" if smallest == 1 else f" * {smallest}"
        with self.body.block(f"if {name}{times} > end - pos:"):
            put(f'raise malformed("{one.name} announces more elements than there are bytes")')
        items = self.body.local("a")
        element = one.struct.class_name if one.struct is not None else "str"
        put(f"{items}: list[{element}] = []")
        with self.body.block(f"for _ in range({name}):"):
            item = self.body.local("o")
            if one.struct is not None:
                self.struct(one.struct, item)
            else:
                self.text("string", _never_null(one), item)
            self.flush()
            put(f"{items}.append({item})")
        put(f"{target} = {items}")

    def smallest(self, one: Field) -> int:
        if one.struct is None:
            return 1 if self.flexible else 2
        size = min_size(one.struct, self.version, self.flexible)
        if size == 0:
            raise SystemExit(f"gen_messages: elements of {one.name} take no bytes in version {self.version}")
        return size

    def inner_struct(self, one: Field, target: str) -> None:
        struct = one.struct
        assert struct is not None
        if self.version not in one.nullable:
            item = self.body.local("o")
            self.struct(struct, item)
            self.flush()
            self.body.put(f"{target} = {item}")
            return
        mark = self.body.local("n")
        self.run.append(("b", mark))
        self.flush()
        with self.body.block(f"if {mark} < 0:"):
            self.body.put(f"{target} = None")
        with self.body.block("else:"):
            item = self.body.local("o")
            self.struct(struct, item)
            self.flush()
            self.body.put(f"{target} = {item}")

    # --- tagged fields ---

    def tags(self, known: list[Field], target: str) -> None:
        count = self.body.local("t")
        self.run.append(("B", count))
        self.flush()
        with self.body.block(f"if {count}:"):
            if not known:
                self.body.put("pos = skip_tags(buf, pos - 1)")
                return
            self.known_tags(known, target, count)

    def known_tags(self, known: list[Field], target: str, count: str) -> None:
        put = self.body.put
        number, stop = self.body.local("k"), self.body.local("e")
        put(f"{count}, pos = read_uvarint(buf, pos - 1)")
        with self.body.block(f"for _ in range({count}):"):
            put(
                f"{number}, pos = read_uvarint(buf, pos)",
                f"{stop}, pos = read_uvarint(buf, pos)",
                f"{stop} += pos",
            )
            for index, one in enumerate(known):
                with self.body.block(f"{'el' if index else ''}if {number} == {one.tag}:"):
                    self.value(one, f"{target}.{one.name}")
                    self.flush()
            with self.body.block("else:"):
                put(f"pos = {stop}")
            with self.body.block(f"if pos != {stop}:"):
                put('raise malformed("a tagged field is not as long as it says")')


def _never_null(one: Field) -> Field:
    """The element of a string array: it has no null."""
    return replace(one, type="string", nullable=Versions.parse(None), default=None, tag=None)
