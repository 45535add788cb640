"""Protocol buffers with one field changed, anywhere in them."""

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

NUMBERS = (0, 1, -1, 2, 3, 7, 11, 127, 2**31 - 1, 2**62, -(2**63))
FLOATS = (0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e30, float("inf"), float("nan"))


def change(message, mutator, words):
    """Change one field of a message, or of one inside it, in place; text may become a word."""
    fields = [*message.ListFields()]
    if not fields or mutator.coin(0.1):
        described = mutator.choice(message.DESCRIPTOR.fields)
    else:
        described = mutator.choice(fields)[0]
    value = getattr(message, described.name)
    if isinstance(value, Message):
        change(value, mutator, words)
    elif isinstance(value, str | bytes | int | float | bool):
        _set(message, described, _other(described, value, mutator, words))
    else:
        _change_list(value, described, mutator, words)


def _set(message, described, value):
    try:
        setattr(message, described.name, value)
    except (ValueError, TypeError):  # out of the field's range
        message.ClearField(described.name)


def _change_list(values, described, mutator, words):
    of_messages = described.type == FieldDescriptor.TYPE_MESSAGE
    if not values:
        values.add() if of_messages else values.append(_new(described, mutator, words))
        return
    at = mutator.rng.randrange(len(values))
    match mutator.rng.randrange(8):
        case 0:
            del values[at]
        case 1:
            values.append(values[at])
        case 2 if len(values) > 1:
            kept = list(values)
            mutator.rng.shuffle(kept)
            kept = [type(v).FromString(v.SerializeToString()) if of_messages else v for v in kept]
            del values[:]
            values.extend(kept)
        case _ if of_messages:
            change(values[at], mutator, words)
        case _:
            try:
                values[at] = _other(described, values[at], mutator, words)
            except (ValueError, TypeError):
                del values[at]


def _new(described, mutator, words):
    if described.type == FieldDescriptor.TYPE_STRING:
        return mutator.choice(words)
    if described.type == FieldDescriptor.TYPE_BYTES:
        return mutator.choice(words).encode()
    return mutator.choice((0, 1))


def _other(described, value, mutator, words):
    if isinstance(value, bytes):
        return mutator.bytes(value)
    if isinstance(value, str):
        return mutator.choice(words) if mutator.coin(0.8) else mutator.text(value).replace("\0", "")
    if described.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return mutator.choice((*FLOATS, value * 2, -value))
    return mutator.choice((*NUMBERS, value + 1, value - 1, mutator.rng.randrange(20)))
