//! How many tests a file seems to hold: a guess from its source, to weigh it against other files
//! before anything is known about durations.
//!
//! It follows pytest's rules for names (`python_functions`, `python_classes`), for unittest's
//! classes, for fixtures, inheritance inside the file, and parameters that are written down as a
//! list. It reads any bytes, once, and never fails.

use std::collections::HashMap;
use std::rc::Rc;

use super::fnmatch::Pattern;
use super::source_lines::{Line, logical_lines};

/// For parameters that are not written down in the file.
const GUESSED_PARAMETERS: usize = 3;

/// No file counts more, so that sums stay sums.
const MAX_TESTS: usize = 1_000_000;

/// No more functions of a file are named; what inheritance could make of a hostile source has no end.
const MAX_NAMED: usize = 20_000;

/// Brackets around a list of parameters that are looked through.
const MAX_NESTING: u8 = 4;

/// The names pytest takes for tests: prefixes, or patterns.
#[derive(Debug)]
pub(crate) struct Names(Vec<(String, Option<Pattern>)>);

impl Names {
    pub(crate) fn new(names: &[String]) -> Self {
        let pattern = |name: &String| name.contains(['*', '?', '[']).then(|| Pattern::new(name));
        Self(
            names
                .iter()
                .map(|name| (name.clone(), pattern(name)))
                .collect(),
        )
    }

    fn accept(&self, name: &str) -> bool {
        self.0.iter().any(|(prefix, pattern)| {
            name.starts_with(prefix.as_str())
                || pattern
                    .as_ref()
                    .is_some_and(|pattern| pattern.matches(name))
        })
    }
}

#[derive(Debug)]
pub(crate) struct Counter {
    /// `python_functions`
    pub(crate) functions: Names,
    /// `python_classes`
    pub(crate) classes: Names,
}

/// What a source holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) tests: usize,
    /// Docstrings with examples.
    pub(crate) doctests: usize,
    /// The test functions in the order of the source.
    pub(crate) functions: Vec<Function>,
}

/// A test function with all its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// With its classes: `TestX::test_y`.
    pub(crate) name: String,
    pub(crate) tests: usize,
}

impl Counter {
    pub(crate) fn count(&self, source: &[u8]) -> Counted {
        let mut reading = Reading {
            counter: self,
            scopes: vec![Scope::new(0, Kind::Module)],
            decorators: Decorators::default(),
            classes: HashMap::new(),
            lists: HashMap::new(),
            doctests: 0,
            named: 0,
        };
        logical_lines(source, |line| reading.line(&line));
        reading.finish()
    }
}

struct Reading<'a> {
    counter: &'a Counter,
    /// The module, and the classes and functions that are open.
    scopes: Vec<Scope>,
    /// Of the definition that comes next.
    decorators: Decorators,
    classes: HashMap<String, Class>,
    /// Lengths of the module's lists, by name.
    lists: HashMap<Vec<u8>, usize>,
    doctests: usize,
    /// How many functions were listed, those of inheriting classes again.
    named: usize,
}

struct Scope {
    indent: usize,
    kind: Kind,
    /// Tests by name: a later definition takes the place of an earlier one.
    tests: HashMap<String, Tests>,
    /// `__test__ = False`
    switched_off: bool,
}

/// What a name stands for: a function, or a class.
struct Tests {
    /// In the order of definition.
    at: usize,
    count: usize,
    /// Of a class; named without it.
    functions: Option<Rc<[Function]>>,
}

enum Kind {
    Module,
    Function,
    Class {
        name: String,
        class: Class,
        /// By its name; unittest's classes are collected by what they are.
        named_as_test: bool,
        /// How often its decorators repeat it.
        factor: usize,
    },
}

/// A class as far as its subclasses need it.
#[derive(Clone, Default)]
struct Class {
    /// Its own and those it inherits.
    tests: usize,
    functions: Rc<[Function]>,
    unittest: bool,
    has_init: bool,
}

struct Decorators {
    factor: usize,
    fixture: bool,
}

impl Default for Decorators {
    fn default() -> Self {
        Self {
            factor: 1,
            fixture: false,
        }
    }
}

impl Scope {
    fn new(indent: usize, kind: Kind) -> Self {
        Self {
            indent,
            kind,
            tests: HashMap::new(),
            switched_off: false,
        }
    }

    fn total(&self) -> usize {
        if self.switched_off {
            return 0;
        }
        self.tests
            .values()
            .fold(0, |sum, tests| MAX_TESTS.min(sum + tests.count))
    }

    fn insert(&mut self, name: String, count: usize, functions: Option<Rc<[Function]>>) {
        let at = self.tests.len();
        let tests = Tests {
            at,
            count,
            functions,
        };
        self.tests.insert(name, tests);
    }

    /// Takes them out, those of the classes in it included.
    fn functions(&mut self) -> Vec<Function> {
        let mut tests: Vec<_> = std::mem::take(&mut self.tests).into_iter().collect();
        if self.switched_off {
            return Vec::new();
        }
        tests.sort_by(|one, other| (one.1.at, &one.0).cmp(&(other.1.at, &other.0)));
        let mut functions = Vec::new();
        for (name, tests) in tests {
            match tests.functions {
                None => functions.push(Function {
                    name,
                    tests: tests.count,
                }),
                Some(inner) => functions.extend(inner.iter().map(|function| Function {
                    name: format!("{name}::{}", function.name),
                    tests: function.tests,
                })),
            }
        }
        functions
    }
}

impl Reading<'_> {
    fn line(&mut self, line: &Line<'_>) {
        while self.scopes.len() > 1
            && self
                .scopes
                .last()
                .is_some_and(|it| line.indent <= it.indent)
        {
            self.close();
        }
        self.doctests += usize::from(line.doctest);
        let code = line.code;
        if code[0] == b'@' {
            self.decorate(&code[1..]);
            return;
        }
        let decorators = std::mem::take(&mut self.decorators);
        let function = keyword(keyword(code, b"async").unwrap_or(code), b"def");
        if let Some(rest) = function {
            self.function(identifier(rest), &decorators);
            self.scopes.push(Scope::new(line.indent, Kind::Function));
        } else if let Some(rest) = keyword(code, b"class") {
            self.class(line.indent, rest, &decorators);
        } else {
            self.assignment(code);
        }
    }

    fn decorate(&mut self, decorator: &[u8]) {
        let head = decorator
            .split(|byte| *byte == b'(')
            .next()
            .unwrap_or(decorator)
            .trim_ascii();
        self.decorators.fixture |= head.ends_with(b"fixture");
        let values = if head.ends_with(b"parametrize") {
            let arguments = arguments(decorator);
            let named = arguments
                .iter()
                .find_map(|it| it.strip_prefix(b"argvalues="));
            named.or(arguments.get(1).copied())
        } else if head.ends_with(b"parameterized.expand") {
            arguments(decorator).first().copied()
        } else {
            return;
        };
        let factor = values.map_or(GUESSED_PARAMETERS, |values| {
            self.length(values, MAX_NESTING)
        });
        self.decorators.factor = MAX_TESTS.min(self.decorators.factor * factor.max(1));
    }

    fn function(&mut self, name: &[u8], decorators: &Decorators) {
        let name = String::from_utf8_lossy(name);
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        let is_test = match &mut scope.kind {
            Kind::Function => false,
            Kind::Module => self.counter.functions.accept(&name),
            Kind::Class { class, .. } => {
                class.has_init |= name == "__init__";
                if class.unittest {
                    name.starts_with("test")
                } else {
                    self.counter.functions.accept(&name)
                }
            }
        };
        if is_test && !decorators.fixture {
            scope.insert(name.into_owned(), decorators.factor, None);
        } else {
            scope.tests.remove(name.as_ref());
        }
    }

    fn class(&mut self, indent: usize, rest: &[u8], decorators: &Decorators) {
        let name = String::from_utf8_lossy(identifier(rest)).into_owned();
        let bases = rest
            .iter()
            .position(|byte| *byte == b'(')
            .map_or(&rest[..0], |at| &rest[at..]);
        let mut class = Class::default();
        for base in arguments(bases) {
            let last = base.rsplit(|byte| *byte == b'.').next().unwrap_or(base);
            let last = String::from_utf8_lossy(identifier(last));
            match self.classes.get(last.as_ref()) {
                Some(known) => {
                    class.tests = MAX_TESTS.min(class.tests + known.tests);
                    class.functions =
                        without_repetition(&class.functions, known.functions.to_vec());
                    self.named += class.functions.len();
                    if self.named > MAX_NAMED {
                        class.functions = Rc::default();
                    }
                    class.unittest |= known.unittest;
                    class.has_init |= known.has_init;
                }
                None => class.unittest |= last.contains("Test"),
            }
        }
        let named_as_test = self.counter.classes.accept(&name);
        let kind = Kind::Class {
            name,
            class,
            named_as_test,
            factor: decorators.factor,
        };
        self.scopes.push(Scope::new(indent, kind));
    }

    fn assignment(&mut self, code: &[u8]) {
        let name = identifier(code);
        let Some(equals) = code.iter().position(|byte| *byte == b'=') else {
            return;
        };
        let value = code[equals + 1..].trim_ascii();
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        if name == b"__test__" {
            scope.switched_off = value == b"False";
        } else if matches!(scope.kind, Kind::Module)
            && !name.is_empty()
            && matches!(
                code[name.len()..].trim_ascii_start().first(),
                Some(b'=' | b':')
            )
        {
            let length = self.length(value, MAX_NESTING);
            self.lists.insert(name.to_owned(), length);
        }
    }

    /// How many values an expression stands for, as far as that is written down.
    fn length(&self, expression: &[u8], nesting: u8) -> usize {
        let expression = expression.trim_ascii();
        if let Some(length) = self.lists.get(expression) {
            return *length;
        }
        let name = identifier(expression);
        let rest = expression[name.len()..].trim_ascii_start();
        if nesting == 0 || !is_bracketed(rest) {
            return GUESSED_PARAMETERS;
        }
        let parts = arguments(rest);
        match (name, parts.as_slice()) {
            (b"range", [end]) => number(end).unwrap_or(GUESSED_PARAMETERS),
            (b"range", [start, end]) => match (number(start), number(end)) {
                (Some(start), Some(end)) => end.saturating_sub(start),
                _ => GUESSED_PARAMETERS,
            },
            (b"list" | b"tuple" | b"set" | b"sorted" | b"reversed" | b"enumerate", [inner]) => {
                self.length(inner, nesting - 1)
            }
            (b"", parts) if is_comprehension(parts) => GUESSED_PARAMETERS,
            // Parentheses around one value without a comma are only parentheses.
            (b"", [inner])
                if rest[0] == b'(' && !rest[..rest.len() - 1].trim_ascii_end().ends_with(b",") =>
            {
                self.length(inner, nesting - 1)
            }
            (b"", parts) => parts.iter().fold(0, |sum, part| {
                let count = part
                    .strip_prefix(b"*")
                    .map_or(1, |list| self.length(list, nesting - 1));
                MAX_TESTS.min(sum + count)
            }),
            _ => GUESSED_PARAMETERS,
        }
    }

    fn close(&mut self) {
        let Some(mut scope) = self.scopes.pop() else {
            return;
        };
        let total = scope.total();
        let own = scope.functions();
        let Kind::Class {
            name,
            mut class,
            named_as_test,
            factor,
        } = scope.kind
        else {
            return;
        };
        self.named += own.len();
        class.functions = if scope.switched_off || self.named > MAX_NAMED {
            Rc::default()
        } else {
            without_repetition(&class.functions, own)
        };
        class.tests = if scope.switched_off {
            0
        } else {
            MAX_TESTS.min(class.tests + total)
        };
        self.classes.insert(name.clone(), class.clone());
        let collected = class.unittest || named_as_test && !class.has_init;
        let Some(parent) = self.scopes.last_mut() else {
            return;
        };
        if collected && !matches!(parent.kind, Kind::Function) {
            let repeated = |function: &Function| Function {
                name: function.name.clone(),
                tests: MAX_TESTS.min(function.tests * factor),
            };
            let functions = match factor {
                1 => class.functions,
                _ => class.functions.iter().map(repeated).collect(),
            };
            let count = MAX_TESTS.min(class.tests * factor);
            parent.insert(name, count, Some(functions));
        }
    }

    fn finish(mut self) -> Counted {
        while self.scopes.len() > 1 {
            self.close();
        }
        let tests = self.scopes.first().map_or(0, Scope::total);
        let module = self.scopes.first_mut();
        let mut functions = module.map_or_else(Vec::new, Scope::functions);
        if functions.len() > MAX_NAMED {
            functions.clear();
        }
        Counted {
            tests,
            doctests: self.doctests,
            functions,
        }
    }
}

/// Of two with one name the later one counts, in the place of the earlier.
fn without_repetition(earlier: &[Function], later: Vec<Function>) -> Rc<[Function]> {
    if earlier.is_empty() {
        return later.into();
    }
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut functions: Vec<Function> = Vec::new();
    for function in earlier.iter().chain(&later) {
        if let Some(place) = places.get(function.name.as_str()) {
            functions[*place] = function.clone();
        } else {
            places.insert(&function.name, functions.len());
            functions.push(function.clone());
        }
    }
    functions.into()
}

/// What follows a keyword.
fn keyword<'a>(code: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let rest = code.strip_prefix(word)?;
    rest.first()?
        .is_ascii_whitespace()
        .then(|| rest.trim_ascii_start())
}

/// The identifier at the start.
fn identifier(code: &[u8]) -> &[u8] {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    &code[..code
        .iter()
        .position(|byte| !is_part(byte))
        .unwrap_or(code.len())]
}

/// What stands between the commas of the first brackets, but for nothing at all.
fn arguments(code: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, byte) in code.iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            b',' if depth == 1 => {
                parts.push(code[start..at].trim_ascii());
                start = at + 1;
            }
            b')' | b']' | b'}' if depth == 1 => {
                parts.push(code[start..at].trim_ascii());
                break;
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether a bracket at the start is closed by the last byte.
fn is_bracketed(code: &[u8]) -> bool {
    let mut depth = 0_usize;
    let end = code.iter().position(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    end.is_some_and(|end| end > 0 && end == code.len() - 1)
}

fn is_comprehension(parts: &[&[u8]]) -> bool {
    parts
        .first()
        .is_some_and(|part| part.windows(5).any(|word| word == b" for "))
}

fn number(digits: &[u8]) -> Option<usize> {
    let number: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(number.min(MAX_TESTS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Names {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Names::new(&names)
    }

    fn counter() -> Counter {
        Counter {
            functions: names(&["test"]),
            classes: names(&["Test"]),
        }
    }

    fn tests(source: &str) -> usize {
        counter().count(source.as_bytes()).tests
    }

    #[test]
    fn counts_functions_of_modules_and_methods_of_test_classes() {
        let source = "
def test_a(): pass
async  def test_b(): pass
def helper():
    def test_inner(): pass
if True:
    def test_c(): pass
else:
    def test_c(): pass
class TestX:
    def test_d(self): pass
    @staticmethod
    def test_e(): pass
    class TestY:
        def test_f(self): pass
    class Other:
        def test_no(self): pass
class Other:
    def test_no(self): pass
class TestInit:
    def __init__(self): pass
    def test_no(self): pass
class TestOff:
    __test__ = False
    def test_no(self): pass
@pytest.fixture
def test_no(): pass
text = '''
def test_no(): pass
'''
";
        assert_eq!(tests(source), 6);
    }

    #[test]
    fn counts_unittest_by_its_own_rules_and_inherited_methods() {
        let source = "
class Base:
    def test_a(self): pass
    def test_b(self): pass
class TestOne(Base):
    def test_c(self): pass
class Two(Base, unittest.TestCase):
    def __init__(self): pass
    def testD(self): pass
class Three(Two): pass
class Helper(Base): pass
class Enumeration(enum.Enum):
    def test_no(self): pass
";
        assert_eq!(tests(source), 3 + 3 + 3);
    }

    #[test]
    fn counts_parameters_that_are_written_down() {
        let one = |decorator: &str| {
            tests(&format!(
                "CASES = [1, 2, 3, 4]\n@{decorator}\ndef test(a): pass\n"
            ))
        };
        for (values, expected) in [
            ("[1, 2]", 2),
            ("[\n (1, 2), # [\n {3: 4, 5: 6},\n '[,',\n]", 3),
            ("(1, 2, 3,)", 3),
            ("(1,)", 1),
            ("([1, 2])", 2),
            ("[]", 1),
            ("range(5)", 5),
            ("range(2, 5)", 3),
            ("list(CASES)", 4),
            ("CASES", 4),
            ("[*CASES, 5]", 5),
            ("{'a', 'b'}", 2),
            ("[f(x, y) for x in z]", GUESSED_PARAMETERS),
            ("elsewhere()", GUESSED_PARAMETERS),
            ("[1] + [2]", GUESSED_PARAMETERS),
            ("[1, 2], ids=['a, b', 'c']", 2),
        ] {
            assert_eq!(
                one(&format!("pytest.mark.parametrize('a', {values})")),
                expected,
                "{values}"
            );
        }
        assert_eq!(
            one("pytest.mark.parametrize(argvalues=[1, 2], argnames='a')"),
            2
        );
        assert_eq!(
            one("parametrize('a', [1, 2])\n@parametrize(('b', 'c'), [(1, 2)] )"),
            2
        );
        assert_eq!(one("parameterized.expand([(1,), (2,)])"), 2);
        let class = "
@pytest.mark.parametrize('a', [1, 2])
class TestX:
  def test_a(self): pass
  def test_b(self): pass
";
        assert_eq!(tests(class), 4);
    }

    #[test]
    fn follows_the_names_of_the_settings() {
        let counter = Counter {
            functions: names(&["check_", "*_ok"]),
            classes: names(&["*Suite"]),
        };
        let source = b"
def check_a(): pass
def b_ok(): pass
def test_c(): pass
class MySuite:
    def check_d(self): pass
";
        assert_eq!(counter.count(source).tests, 3);
    }

    #[test]
    fn names_functions_in_their_order_and_with_what_classes_inherit() {
        let source = "
def test_b(): pass
class Base:
    def test_x(self): pass
    def test_y(self): pass
@parametrize('a', [1, 2])
class TestZ(Base):
    def test_y(self): pass
    class TestIn:
        @parametrize('a', [1, 2, 3])
        def test_deep(self): pass
    def test_a(self): pass
def test_a(): pass
";
        let counted = counter().count(source.as_bytes());
        let functions = counted.functions.iter();
        let named: Vec<_> = functions.map(|it| (it.name.as_str(), it.tests)).collect();
        assert_eq!(
            named,
            [
                ("test_b", 1),
                ("TestZ::test_x", 2),
                ("TestZ::test_y", 2),
                ("TestZ::TestIn::test_deep", 6),
                ("TestZ::test_a", 2),
                ("test_a", 1),
            ]
        );
    }

    #[test]
    fn counts_docstrings_with_examples() {
        let source = b"'''\n>>> 1\n'''\ndef f():\n  '''>>> 2'''\n  x = '''>>> 3'''\n";
        assert_eq!(counter().count(source).doctests, 2);
    }

    #[test]
    fn a_hostile_source_stays_countable() {
        let first = "class TestA0(object):\n def test(self): pass\n".to_owned();
        let chain = (0..2_000).fold(first, |text, n| {
            text + &format!("class TestA{}(TestA{n}, TestA{n}): pass\n", n + 1)
        });
        assert!((1..=MAX_TESTS).contains(&tests(&chain)));
        let (open, many) = ("(".repeat(100_000), "[".repeat(100_000));
        assert_eq!(tests(&format!("x = {open}\n@parametrize('a', {many}")), 0);
        let huge = "@parametrize('a', range(99999999999999999999999))\ndef test(): pass";
        assert_eq!(tests(huge), GUESSED_PARAMETERS);
    }

    proptest! {
        #[test]
        fn any_bytes_are_counted(source in proptest::collection::vec(any::<u8>(), 0..400)) {
            counter().count(&source);
        }

        #[test]
        fn any_mixture_of_python_is_counted(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "def test_a():", "class TestX(Y):", "@parametrize('a', [", "]", "\n", "  ", "\t",
                    "'", "\"\"\"", "\\", "#", "(", ")", ",", "*", "=", "range(", "é", "x", "async ",
                ]),
                0..60,
            )
        ) {
            counter().count(words.concat().as_bytes());
        }

        #[test]
        fn each_function_counts_once(
            names in proptest::collection::btree_set("[a-z]{1,8}", 0..20)
        ) {
            let functions: Vec<String> =
                names.iter().map(|name| format!("def test_{name}():\n  pass\n")).collect();
            prop_assert_eq!(tests(&functions.concat()), names.len());
        }
    }
}
