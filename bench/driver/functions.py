"""Names of functions as a person reads them, from what a demangler writes."""
import re

# A name that is longer than this loses the arguments of its templates.
LONG = 80
PARAMETERS = re.compile(r"(?<!operator)\([^()]*\)")
TEMPLATE_ARGUMENTS = re.compile(r"(?<!operator)(?<!operator<)<[^<>]*>")


def without(pattern, text):
    """The text without what matches, however deep it is nested."""
    found = 1
    while found:
        text, found = pattern.subn("", text)
    return text


def without_return_type(name):
    """What stands behind the last blank that is in no template's arguments; `operator new` has one of its own."""
    if "operator " in name or " thunk to " in name:
        return name
    depth = 0
    for place in reversed(range(len(name))):
        depth += {">": 1, "<": -1}.get(name[place], 0)
        if depth == 0 and name[place] == " ":
            return name[place + 1:]
    return name


def short(function):
    """The name without what it is given, what it returns and namespaces without a name."""
    name = without(PARAMETERS, function.replace("(anonymous namespace)::", ""))
    name = re.sub(r"( const| \[clone [^]]*\])+$", "", name)
    name = without_return_type(name)
    return name if len(name) <= LONG else without(TEMPLATE_ARGUMENTS, name)


def in_table(function):
    """The short name for a cell of Markdown."""
    return "`" + short(function).replace("|", "\\|") + "`"
