"""Random Python programs with everything that bears upon what coverage.py counts.

Dead code that Python compiles nonetheless is left out: up to 3.11 some definitions and ends of a `finally`, later the
very first constant of a module. So a program has either definitions, or code that is dead by a constant.
"""

import dis
import random
import types

CONSTANTS = ["0", "1", "True", "False", "None", "''", "'x'", "...", "not 0", "not 1", "x or 1", "0 and x", "x and 0",
             "1 or x", "__debug__", "not __debug__", "()", "(1,)", "[]", "1 - 1", "x or 0", "1 and x", "-1", "1 < 2"]
PRAGMAS = ["  # pragma: no cover", "  # pragma: no branch", "  # pragma:NO COVER", "  # noqa"]
NAMES = "abcdefgh"


class Program:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines = []
        self.loops = 0
        self.in_function = False
        self.defines = self.chance(0.7)

    def text(self):
        if self.random.random() < 0.3:
            self.lines.append('"""Doc."""' if self.random.random() < 0.5 else '"""Doc\n\nmore."""')
        self.body(0, self.random.randint(1, 6))
        return "\n".join(self.lines) + "\n"

    def chance(self, probability):
        return self.random.random() < probability

    def pragma(self):
        return self.random.choice(PRAGMAS) if self.chance(0.06) else ""

    def test(self):
        constant = not self.defines and self.chance(0.25)
        return self.random.choice(CONSTANTS) if constant else self.random.choice(["x", "x.y()", "x > 1", "f(x,\n      1)"])

    def add(self, level, text):
        if self.chance(0.05):
            self.lines.append("")
        if self.chance(0.05):
            self.lines.append("    " * level + "# a comment")
        first, *rest = text.split("\n")
        if rest:
            rest[-1] += self.pragma()
        else:
            first += self.pragma()
        self.lines.append("    " * level + first)
        self.lines += ["    " * level + line for line in rest]

    def body(self, level, count):
        for _ in range(count):
            self.statement(level)
        if level and self.chance(0.3):
            self.add(level, self.last())

    def suite(self, level, head):
        """A head with its suite below it, or behind it."""
        if self.chance(0.08):
            self.add(level, head + " " + self.simple())
            return
        self.add(level, head)
        self.body(level + 1, self.random.randint(1, 3))

    def simple(self):
        choices = ["pass", "x = 1", "f(x)", "...", "1", "'text'", "x: int", "x: int = 1", "o.x: int", "del x", "import os", "assert x",
                   "x = [\n  1,\n  2,\n]", "f(\n    x\n)", "a = b; c = d", "x += 1", "x = {\n  'a': f(),\n  **x,\n}",
                   "'''more\n  text'''", "x = '''a\nb'''", "x = 1 \\\n  + 2"]
        if self.defines:
            return self.random.choice(choices + ["x = lambda: 0", "y = (z for z in x)", "y = [z for z in x]"])
        choices += ["assert 0", "assert False, x", "raise E"]
        if self.in_function:
            choices += ["return", "return x", "return (\n  x\n)", "global x", "yield x"]
        if self.loops:
            choices += ["break", "continue"] * 2
        return self.random.choice(choices)

    def last(self):
        """A statement behind which nothing stands, so that it makes no code dead."""
        choices = ["pass", "raise E"]
        if self.in_function:
            choices += ["return x", "return", "yield x"]
        if self.loops:
            choices += ["break", "continue"]
        return self.random.choice(choices)

    def statement(self, level):
        if level > 4 or self.chance(0.5):
            self.add(level, self.simple())
            return
        kinds = ["if", "if", "for", "while", "with", "try", "match"] + ["def", "class"] * self.defines
        getattr(self, "make_" + self.random.choice(kinds))(level)

    def make_if(self, level):
        self.suite(level, "if %s:" % self.test())
        for _ in range(self.random.choice([0, 0, 0, 1, 2])):
            self.suite(level, "elif %s:" % self.test())
        if self.chance(0.4):
            self.suite(level, "else:")

    def loop(self, level, head):
        self.loops += 1
        self.suite(level, head)
        self.loops -= 1
        if self.chance(0.25):
            self.suite(level, "else:")

    def make_for(self, level):
        self.loop(level, "for x in %s:" % self.random.choice(["y", "f(\n  y)", "[]"]))

    def make_while(self, level):
        self.loop(level, "while %s:" % self.test())

    def make_with(self, level):
        self.suite(level, self.random.choice(["with x:", "with x as y, z:", "with (\n    x as y,\n    z,\n):"]))

    def make_try(self, level):
        star = self.chance(0.1)
        kinds = self.random.choice(["except", "except", "finally", "both"])
        # `break`, `continue` and `return` may not leave an `except*`.
        loops, function = self.loops, self.in_function
        self.suite(level, "try:")
        if kinds != "finally":
            if star:
                self.loops, self.in_function = 0, False
            for _ in range(self.random.randint(1, 2)):
                self.suite(level, "except%s E%s:" % ("*" if star else "", self.random.choice(["", " as e"])))
            self.loops, self.in_function = loops, function
            if self.chance(0.2):
                self.suite(level, "else:")
        if kinds != "except":
            self.suite(level, "finally:")

    def make_match(self, level):
        self.add(level, "match %s:" % self.random.choice(["x", "(x,\n  y)"]))
        for last in [False] * self.random.randint(0, 2) + [True]:
            wild = last and self.chance(0.5)
            pattern = self.random.choice(["_", "other", "_ as all_", "1 | other"]) if wild else self.random.choice(["1", "[a, b]", "C(a=1)", "1 |\n        2", "'a' as b"])
            guard = " if %s" % self.test() if self.chance(0.15) else ""
            self.suite(level + 1, "case %s%s:" % (pattern, guard))

    def definition(self, level, head, function):
        loops, self.loops = self.loops, 0
        outer, self.in_function = self.in_function, function
        for _ in range(self.random.choice([0, 0, 0, 1, 2])):
            self.add(level, self.random.choice(["@wrap", "@wrap(\n    1,\n)", "@a.b"]))
        if self.chance(0.1):
            self.add(level, head + " ...")
        else:
            self.add(level, head)
            if self.chance(0.2):
                self.add(level + 1, self.random.choice(['"""Doc."""', '"""Doc\n    more.\n    """', "'a' 'b'"]))
            self.body(level + 1, self.random.randint(1, 3))
        self.loops, self.in_function = loops, outer

    def make_def(self, level):
        head = self.random.choice(["def %s(a):", "async def %s():", "def %s(\n    a,\n    b=1,\n):", "def %s() -> None:"])
        self.definition(level, head % self.random.choice(NAMES), True)

    def make_class(self, level):
        self.definition(level, self.random.choice(["class %s:", "class %s(\n    A\n):"]) % self.random.choice(NAMES), False)


def keeps_dead_code(code):
    """Whether Python compiled what can never run: a definition, or the end of a `finally`, whose line then stands on
    the instruction that goes on with the exception. Up to 3.11 it does."""
    names = {}
    for instruction in dis.get_instructions(code):
        names.setdefault(instruction.positions.lineno, set()).add(instruction.opname)
    if any("RERAISE" in found and found <= {"COPY", "POP_EXCEPT", "RERAISE"} for line, found in names.items() if line):
        return True
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return any(each.co_firstlineno not in names or keeps_dead_code(each) for each in inner)


def programs(count, seed):
    """Programs that compile, as pairs of a seed and the text."""
    found = 0
    while found < count:
        seed += 1
        text = Program(seed).text()
        try:
            code = compile(text, "program", "exec", dont_inherit=True)
        except SyntaxError:
            continue
        if keeps_dead_code(code):
            continue
        found += 1
        yield seed, text
