//! Tests whose outcome is known before the program runs.

use ruff_python_ast::{BoolOp, Expr, FStringPart, Number, Operator, UnaryOp};

/// Deeper than anyone writes: beyond that nothing is constant.
const MAX_DEPTH: usize = 200;

/// What CPython's compiler knows of a test, so that it drops the code behind it.
pub(super) fn compiled(test: &Expr) -> Option<bool> {
    truth(test, 0)
}

/// What coverage.py knows of a test when it follows branches: less.
pub(super) fn obvious(test: &Expr) -> Option<bool> {
    obvious_to(test, 0)
}

fn obvious_to(test: &Expr, depth: usize) -> Option<bool> {
    if depth > MAX_DEPTH {
        return None;
    }
    match test {
        Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => {
            obvious_to(&unary.operand, depth + 1).map(|truth| !truth)
        }
        Expr::BoolOp(expression) => {
            let mut truths = expression
                .values
                .iter()
                .map(|value| obvious_to(value, depth + 1));
            let known: Option<Vec<bool>> = truths.by_ref().collect();
            known.map(|known| match expression.op {
                BoolOp::Or => known.contains(&true),
                BoolOp::And => !known.contains(&false),
            })
        }
        literal => self::literal(literal).as_ref().map(Value::is_true),
    }
}

fn truth(test: &Expr, depth: usize) -> Option<bool> {
    if depth > MAX_DEPTH {
        return None;
    }
    match test {
        Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => {
            truth(&unary.operand, depth + 1).map(|truth| !truth)
        }
        Expr::BoolOp(expression) => {
            let mut truths = expression
                .values
                .iter()
                .map(|value| truth(value, depth + 1));
            let decides = expression.op == BoolOp::Or;
            let known: Vec<Option<bool>> = truths.by_ref().collect();
            if known.contains(&Some(decides)) {
                Some(decides)
            } else {
                known.iter().all(Option::is_some).then_some(!decides)
            }
        }
        Expr::If(expression) => {
            let arms = [&expression.body, &expression.orelse].map(|arm| truth(arm, depth + 1));
            arms[0].filter(|_| arms[0] == arms[1])
        }
        other => value(other, depth).as_ref().map(Value::is_true),
    }
}

/// A constant as the compiler folds it.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    None,
    Ellipsis,
    Int(i128),
    /// An integer of which only that it is not zero is known.
    Big,
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Self>),
}

impl Value {
    fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Ellipsis | Self::Big => true,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::Tuple(values) => !values.is_empty(),
        }
    }
}

fn literal(expression: &Expr) -> Option<Value> {
    Some(match expression {
        Expr::NoneLiteral(_) => Value::None,
        Expr::EllipsisLiteral(_) => Value::Ellipsis,
        Expr::BooleanLiteral(literal) => Value::Int(i128::from(literal.value)),
        Expr::StringLiteral(literal) => Value::Text(literal.value.to_str().to_owned()),
        Expr::BytesLiteral(literal) => Value::Bytes(literal.value.bytes().collect()),
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(number) => number
                .as_i64()
                .map_or(Value::Big, |number| Value::Int(number.into())),
            Number::Float(number) => Value::Float(*number),
            Number::Complex { real, imag } => {
                Value::Float(if *real == 0.0 { *imag } else { *real })
            }
        },
        Expr::Name(name) if name.id.as_str() == "__debug__" => Value::Int(1),
        _ => return None,
    })
}

fn value(expression: &Expr, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let value = |expression| value(expression, depth + 1);
    match expression {
        Expr::Tuple(tuple) => tuple
            .elts
            .iter()
            .map(value)
            .collect::<Option<_>>()
            .map(Value::Tuple),
        Expr::FString(text) => {
            let mut parts = text.value.iter().map(|part| match part {
                FStringPart::Literal(literal) => Some(literal.as_str().to_owned()),
                FStringPart::FString(part) => part
                    .elements
                    .literals()
                    .map(|literal| literal.value.to_string())
                    .collect::<String>()
                    .into(),
            });
            let plain = text
                .value
                .elements()
                .all(ruff_python_ast::InterpolatedStringElement::is_literal);
            let text: Option<String> = parts.by_ref().collect();
            // An empty one is constant for Python 3.13 alone.
            text.filter(|text| plain && !text.is_empty())
                .map(Value::Text)
        }
        Expr::UnaryOp(unary) => match (unary.op, value(&unary.operand)?) {
            (UnaryOp::Not, operand) => Some(Value::Int((!operand.is_true()).into())),
            (UnaryOp::UAdd, operand @ (Value::Int(_) | Value::Float(_) | Value::Big)) => {
                Some(operand)
            }
            (UnaryOp::USub, Value::Int(number)) => number.checked_neg().map(Value::Int),
            (UnaryOp::USub, Value::Float(number)) => Some(Value::Float(-number)),
            (UnaryOp::USub, Value::Big) => Some(Value::Big),
            (UnaryOp::Invert, Value::Int(number)) => Some(Value::Int(!number)),
            _ => None,
        },
        Expr::BinOp(binary) => calculate(binary.op, value(&binary.left)?, value(&binary.right)?),
        Expr::Subscript(subscript) => {
            let Value::Int(index) = value(&subscript.slice)? else {
                return None;
            };
            let place = |length: usize| {
                let length = i128::try_from(length).ok()?;
                usize::try_from(if index < 0 { index + length } else { index }).ok()
            };
            match value(&subscript.value)? {
                Value::Tuple(values) => values.get(place(values.len())?).cloned(),
                Value::Text(text) => {
                    let letter = text.chars().nth(place(text.chars().count())?)?;
                    Some(Value::Text(letter.into()))
                }
                Value::Bytes(bytes) => Some(Value::Int((*bytes.get(place(bytes.len())?)?).into())),
                _ => None,
            }
        }
        other => literal(other),
    }
}

fn calculate(operator: Operator, left: Value, right: Value) -> Option<Value> {
    match (operator, left, right) {
        (operator, Value::Int(left), Value::Int(right)) => integers(operator, left, right),
        (operator, Value::Float(left), Value::Float(right)) => floats(operator, left, right),
        (operator, Value::Float(left), Value::Int(right)) => floats(operator, left, float(right)),
        (operator, Value::Int(left), Value::Float(right)) => floats(operator, float(left), right),
        (Operator::Add, Value::Text(left), Value::Text(right)) => Some(Value::Text(left + &right)),
        (Operator::Add, Value::Bytes(left), Value::Bytes(right)) => {
            Some(Value::Bytes([left, right].concat()))
        }
        (Operator::Add, Value::Tuple(left), Value::Tuple(right)) => {
            Some(Value::Tuple([left, right].concat()))
        }
        // Only whether something is left is of interest.
        (Operator::Mult, Value::Text(text), Value::Int(times))
        | (Operator::Mult, Value::Int(times), Value::Text(text)) => {
            Some(Value::Text(if times > 0 { text } else { String::new() }))
        }
        (Operator::Mult, Value::Bytes(bytes), Value::Int(times))
        | (Operator::Mult, Value::Int(times), Value::Bytes(bytes)) => {
            Some(Value::Bytes(if times > 0 { bytes } else { Vec::new() }))
        }
        (Operator::Mult, Value::Tuple(values), Value::Int(times))
        | (Operator::Mult, Value::Int(times), Value::Tuple(values)) => {
            Some(Value::Tuple(if times > 0 { values } else { Vec::new() }))
        }
        _ => None,
    }
}

fn integers(operator: Operator, left: i128, right: i128) -> Option<Value> {
    let shift = || u32::try_from(right).ok().filter(|bits| *bits < 64);
    let floored = || {
        let (quotient, rest) = (left.checked_div(right)?, left.checked_rem(right)?);
        let below = rest != 0 && (rest < 0) != (right < 0);
        Some((
            quotient - i128::from(below),
            rest + if below { right } else { 0 },
        ))
    };
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Sub => left.checked_sub(right),
        Operator::Mult => left.checked_mul(right),
        Operator::Div => return floats(operator, float(left), float(right)),
        Operator::FloorDiv => floored().map(|(quotient, _)| quotient),
        Operator::Mod => floored().map(|(_, rest)| rest),
        Operator::Pow if right >= 0 => left.checked_pow(u32::try_from(right).ok()?),
        Operator::LShift => shift().and_then(|bits| left.checked_mul(1 << bits)),
        Operator::RShift => shift().map(|bits| left >> bits),
        Operator::BitAnd => Some(left & right),
        Operator::BitOr => Some(left | right),
        Operator::BitXor => Some(left ^ right),
        Operator::Pow | Operator::MatMult => None,
    };
    result.map(Value::Int)
}

fn floats(operator: Operator, left: f64, right: f64) -> Option<Value> {
    let result = match operator {
        Operator::Add => left + right,
        Operator::Sub => left - right,
        Operator::Mult => left * right,
        Operator::Div if right != 0.0 => left / right,
        Operator::FloorDiv if right != 0.0 => (left / right).floor(),
        Operator::Pow => left.powf(right),
        _ => return None,
    };
    Some(Value::Float(result))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "only whether it is zero is of interest"
)]
fn float(number: i128) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Expr {
        ruff_python_parser::parse_expression(text)
            .expect("an expression")
            .into_expr()
    }

    #[test]
    fn the_compiler_folds_what_cpython_folds() {
        for text in [
            "1",
            "'a'",
            "b'a'",
            "...",
            "__debug__",
            "not 0",
            "x or 1",
            "1 or x",
            "not (0 and x)",
            "1 + 1",
            "-1",
            "~0",
            "2 ** 3",
            "'a' * 3",
            "(1,)",
            "(1, 2)[1]",
            "'ab'[-1]",
            "f'a'",
            "1 if x else 2",
            "1j",
            "0.1",
            "1 << 3",
            "7 // 2",
            "-1 % 3",
            "True",
            "123456789012345678901234567890",
            "((1))",
        ] {
            assert_eq!(compiled(&parsed(text)), Some(true), "{text}");
        }
        for text in [
            "0",
            "''",
            "b''",
            "None",
            "False",
            "()",
            "0 and x",
            "x and 0",
            "not 1",
            "1 - 1",
            "'a' * 0",
            "(0,)[0]",
            "0 if x else ''",
            "0.0",
            "not __debug__",
            "0 or ''",
            "1 and 0",
            "1 & 2",
        ] {
            assert_eq!(compiled(&parsed(text)), Some(false), "{text}");
        }
        for text in [
            "x",
            "[]",
            "{}",
            "[1]",
            "{1}",
            "f'{1}'",
            "1 < 2",
            "1 in (1,)",
            "1 is 1",
            "'%s' % 1",
            "lambda: 1",
            "(x := 1)",
            "(x, 1)",
            "x or 0",
            "1 and x",
            "1 / 0",
            "f''",
            "1 if x else 0",
            "2 ** 1000",
        ] {
            assert_eq!(compiled(&parsed(text)), None, "{text}");
        }
    }

    #[test]
    fn a_branch_is_obvious_only_for_plain_constants() {
        for (text, truth) in [
            ("1", Some(true)),
            ("not 0", Some(true)),
            ("0 or 'a'", Some(true)),
            ("1 and None", Some(false)),
            ("__debug__", Some(true)),
            ("x or 1", None),
            ("()", None),
            ("-1", None),
            ("f'a'", None),
            ("1 + 1", None),
        ] {
            assert_eq!(obvious(&parsed(text)), truth, "{text}");
        }
    }

    #[test]
    fn however_deep_it_ends() {
        let deep = format!("{}1", "not ".repeat(5000));
        assert_eq!(compiled(&parsed(&deep)), None);
    }
}
