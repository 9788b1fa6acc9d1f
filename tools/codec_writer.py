"""Emits the writer of one message version: one flat function, runs of fixed-size fields in one pack."""

from __future__ import annotations

from dataclasses import replace

from codec_body import INT_ARRAYS, Body, annotation, default, struct_name
from kafka_schema import FIXED, Field, Struct, Versions


class WriterEmitter:
    """Builds the lines of `_write_...(out, o1)` for one version."""

    def __init__(self, version: int, *, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible
        self.body = Body()
        self.out = "out"
        self.run: list[tuple[str, str]] = []
        self.layouts: set[str] = set()

    def function(self, name: str, root: Struct) -> list[str]:
        """Return the whole function."""
        source = self.body.local("o")
        self.struct(root, source)
        self.flush()
        if not self.body.lines:
            self.body.put("pass")
        return [f"def {name}(out: bytearray, {source}: {root.class_name}) -> None:", *self.body.lines]

    def struct(self, struct: Struct, source: str) -> None:
        """Write a struct's fields; may leave a run open."""
        for one in struct.at(self.version):
            self.value(one, f"{source}.{one.name}")
        if self.flexible:
            self.tags(struct.tags_at(self.version), source)

    def value(self, one: Field, source: str) -> None:
        if one.is_array:
            self.array(one, source)
        elif one.type in FIXED:
            self.run.append((FIXED[one.type][0], source))
        elif one.struct is not None:
            self.inner_struct(one, source)
        else:
            self.text(one, source)

    # --- runs of fixed-size values ---

    def packed(self, extra: tuple[str, str] | None = None) -> str:
        """The statement that writes the open run, with one more value behind it."""
        run = [*self.run, extra] if extra else self.run
        joined = "".join(layout for layout, _ in run)
        values = ", ".join(value for _, value in run if value)
        self.layouts.add(joined)
        return f"{self.out} += {struct_name('pack', joined)}({values})"

    def flush(self) -> None:
        if self.run == [("x", "")]:
            self.body.put(f"{self.out}.append(0)")
        elif self.run:
            self.body.put(self.packed())
        self.run = []

    def length(self, classic: str, value: str, *, null: str | None = None) -> None:
        """Write a length or count behind the open run; `null` is the condition under which it says null."""
        if not self.flexible:
            self.run.append((classic, value if null is None else f"-1 if {null} else {value}"))
            self.flush()
            return
        name = self.body.local("n")
        self.body.put(f"{name} = {value} + 1" if null is None else f"{name} = 0 if {null} else {value} + 1")
        with self.body.block(f"if {name} < 128:"):
            self.body.put(self.packed(("B", name)) if self.run else f"{self.out}.append({name})")
        with self.body.block("else:"):
            if self.run:
                self.body.put(self.packed())
            self.body.put(f"write_uvarint({self.out}, {name})")
        self.run = []

    # --- values with a length ---

    def text(self, one: Field, source: str) -> None:
        name = self.body.local("s")
        nullable = self.version in one.nullable
        encode = ".encode()" if one.type == "string" else ""
        classic = "h" if one.type == "string" else "i"
        if not nullable:
            self.body.put(f"{name} = {self.present(one, source)}{encode}")
            self.length(classic, f"len({name})")
        else:
            raw = self.body.local("v")
            self.body.put(f"{raw} = {source}", f'{name} = b"" if {raw} is None else {raw}{encode}')
            self.length(classic, f"len({name})", null=f"{raw} is None")
        self.body.put(f"{self.out} += {name}")

    def present(self, one: Field, source: str) -> str:
        """The expression of a value that must not be null here, though it may be in other versions."""
        if not annotation(one).endswith("None"):
            return source
        name = self.body.local("v")
        self.body.put(f"{name} = {source}")
        with self.body.block(f"if {name} is None:"):
            self.body.put(f'raise missing("{one.name}")')
        return name

    # --- arrays and inner structs ---

    def array(self, one: Field, source: str) -> None:
        name = self.body.local("a")
        if self.version not in one.nullable:
            self.body.put(f"{name} = {self.present(one, source)}")
            self.length("i", f"len({name})")
        else:
            raw = self.body.local("v")
            self.body.put(f"{raw} = {source}", f"{name} = {raw} or ()")
            self.length("i", f"len({name})", null=f"{raw} is None")
        if one.element in INT_ARRAYS:
            self.body.put(f"write_{one.element}s({self.out}, {name})")
            return
        item = self.body.local("o")
        with self.body.block(f"for {item} in {name}:"):
            if one.struct is not None:
                self.struct(one.struct, item)
            else:
                text = self.body.local("s")
                self.body.put(f"{text} = {item}.encode()")
                self.length("h", f"len({text})")
                self.body.put(f"{self.out} += {text}")
            self.flush()

    def inner_struct(self, one: Field, source: str) -> None:
        struct = one.struct
        assert struct is not None
        item = self.body.local("o")
        self.body.put(f"{item} = {source}")
        if self.version not in one.nullable:
            self.struct(struct, item)
            return
        before = self.run
        with self.body.block(f"if {item} is None:"):
            self.run = [*before, ("b", "-1")]
            self.flush()
        with self.body.block("else:"):
            self.run = [*before, ("b", "1")]
            self.struct(struct, item)
            self.flush()

    # --- tagged fields ---

    def tags(self, known: list[Field], source: str) -> None:
        """Write the tagged fields that differ from their defaults, as Kafka does."""
        if not known:
            self.run.append(("x", ""))
            return
        self.flush()
        found = self.body.local("t")
        self.body.put(f"{found}: list[bytearray] = []")
        for one in known:
            self.tagged(one, f"{source}.{one.name}", found)
        self.body.put(f"{self.out}.append(len({found}))")
        chunk = self.body.local("c")
        with self.body.block(f"for {chunk} in {found}:"):
            self.body.put(f"{self.out} += {chunk}")

    def tagged(self, one: Field, source: str, found: str) -> None:
        held = self.body.local("w")
        self.body.put(f"{held} = {source}")
        with self.body.block(f"if {_differs(one, held)}:"):
            outer, self.out = self.out, self.body.local("x")
            self.body.put(f"{self.out} = bytearray()")
            self.value(_never_null(one) if one.null_default else one, held)
            self.flush()
            self.body.put(f"{found}.append(tag({one.tag}, {self.out}))")
            self.out = outer


def _never_null(one: Field) -> Field:
    """A tagged field whose default is null: where it is written, it is not null."""
    return replace(one, nullable=Versions.parse(None), default=None)


def _differs(one: Field, held: str) -> str:
    """The condition under which a tagged field is written."""
    if one.struct is not None and not one.is_array:
        return f"{held} is not None and {held} != {one.struct.class_name}()"
    if one.null_default:
        return f"{held} is not None"
    if one.is_array:
        return held
    return f"{held} != {default(one)}"
