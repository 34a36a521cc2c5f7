"""Values of rows to Python and back. The words of the flow file: decimal, json and uuid are marked texts and bytes in Arrow."""
import decimal
import json
import uuid

import pyarrow as pa


def kind_of(field):
    """decimal, json or uuid where the Arrow type does not tell it."""
    meta = field.metadata or {}
    name = meta.get(b"ARROW:extension:name", b"").decode() or getattr(field.type, "extension_name", "")
    if name in ("arrow.json", "arrow.uuid"):
        return name[len("arrow."):]
    return meta.get(b"freshet.kind", b"").decode()


def to_python(column, field):
    """The values of a column as Python knows them: Decimal, UUID, datetime, dicts of json."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    rows = column.to_pylist()
    convert = {"decimal": decimal.Decimal, "json": json.loads, "uuid": lambda b: uuid.UUID(bytes=b)}.get(kind_of(field))
    if convert is None:
        return rows
    return [None if x is None else convert(x) for x in rows]


def plain(value, kind):
    """A value of Python as Arrow takes it."""
    if value is None:
        return None
    if kind == "decimal":
        return str(value)
    if kind == "json":
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if kind == "uuid":
        return (value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))).bytes
    return value.tolist() if hasattr(value, "tolist") else value  # of numpy


def storage_type(field):
    return field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type


def to_arrow(rows, field):
    """A column of the values, and what is wrong with some of them: {place: text}."""
    kind, into, faults = kind_of(field), storage_type(field), {}
    try:
        column = pa.array([plain(x, kind) for x in rows], into)
    except Exception:  # find out which
        good = []
        for i, x in enumerate(rows):
            try:
                good.append(pa.array([plain(x, kind)], into))
            except Exception as error:
                faults[i] = f"{field.name}: {' '.join(str(error).split())[:300]}"
                good.append(pa.nulls(1, into))
        column = pa.concat_arrays(good)
    if not field.nullable:
        for i in range(len(rows)):
            if rows[i] is None:
                faults.setdefault(i, f"{field.name}: the function gave none, and the flow does not allow null")
    return column, faults
