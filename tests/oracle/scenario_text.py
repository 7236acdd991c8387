"""Reads the text of a scenario: 'socket: room(10) on_made{limits(8,-)}; write(20) eof; room(30)'.

The steps stand between semicolons. A step is a list of operations, an operation a name with optional
numbers in parentheses and an optional list of operations in braces.
"""
import re
from typing import NamedTuple

TOKEN = re.compile(r"[a-z_]+|\([^)]*\)|[{};]")


class Operation(NamedTuple):
    name: str
    numbers: tuple  # of int, or None for an argument written '-'
    body: tuple  # of Operation
    text: str  # name and numbers, as in the scenario


def parse_numbers(token):
    inner = token[1:-1]
    if not inner:
        return ()
    return tuple(None if number == "-" else int(number) for number in inner.split(","))


def parse_operations(tokens, position):
    """The operations up to the next ';' or '}' or the end, and the position of that."""
    operations = []
    while position < len(tokens) and tokens[position] not in ";}":
        name = tokens[position]
        position += 1
        numbers, body, text = (), (), name
        if position < len(tokens) and tokens[position][0] == "(":
            numbers = parse_numbers(tokens[position])
            text += tokens[position]
            position += 1
        if position < len(tokens) and tokens[position] == "{":
            body, position = parse_operations(tokens, position + 1)
            position += 1
        operations.append(Operation(name, numbers, body, text))
    return tuple(operations), position


def parse(text):
    """The kind of transport and the list of steps; the first is done before there is a transport."""
    kind, _, rest = text.partition(":")
    tokens = TOKEN.findall(rest)
    steps, position = [], -1
    while position < len(tokens):
        step, position = parse_operations(tokens, position + 1)
        steps.append(step)
    return kind.strip(), steps
