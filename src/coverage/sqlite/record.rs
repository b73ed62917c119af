//! Rows: a header of types, then the values (section 2.1 of the format).

/// A value of a row. Floating point numbers do not occur in a data file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
    Real,
}

impl<'a> Value<'a> {
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn blob(self) -> Option<&'a [u8]> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A variable-length integer and the number of its bytes, at most nine.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    // Nearly all of a data file are of one byte.
    if let Some(byte @ 0..0x80) = bytes.first() {
        return Some((u64::from(*byte), 1));
    }
    let mut value = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some((value << 8 | u64::from(*byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

pub(super) fn push_varint(value: u64, out: &mut Vec<u8>) {
    if value > u64::MAX >> 8 {
        let [high @ .., low] = value.to_be_bytes();
        let rest = u64::from_be_bytes([
            0, high[0], high[1], high[2], high[3], high[4], high[5], high[6],
        ]);
        for shift in (0..8).rev() {
            out.push(0x80 | u8::try_from(rest >> (7 * shift) & 0x7f).unwrap_or(0));
        }
        out.push(low);
        return;
    }
    let groups = (64 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push(more | u8::try_from(value >> (7 * group) & 0x7f).unwrap_or(0));
    }
}

/// The first `N` values of a row; a row may be shorter, its rest is null. `None` if it is broken.
pub(super) fn decode<const N: usize>(payload: &[u8]) -> Option<[Value<'_>; N]> {
    let mut values = [Value::Null; N];
    let (size, mut head) = varint(payload)?;
    let end = usize::try_from(size).ok()?;
    let header = payload.get(..end)?;
    let mut body = payload.get(end..)?;
    for value in &mut values {
        if head >= header.len() {
            break;
        }
        let (kind, length) = varint(&header[head..])?;
        head += length;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let (bytes, rest) = body.split_at_checked(size)?;
        body = rest;
        *value = match kind {
            0 => Value::Null,
            1..=6 => Value::Integer(big_endian(bytes)),
            7 => Value::Real,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            _ if kind % 2 == 0 => Value::Blob(bytes),
            _ => Value::Text(bytes),
        };
    }
    Some(values)
}

fn big_endian(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(-i64::from(negative), |value, byte| {
        value << 8 | i64::from(*byte)
    })
}

pub(super) fn encode(values: &[Value<'_>]) -> Vec<u8> {
    let (mut types, mut body) = (Vec::new(), Vec::new());
    for value in values {
        let text_kind = |bytes: &[u8], odd: u64| bytes.len() as u64 * 2 + 12 + odd;
        match value {
            Value::Null | Value::Real => types.push(0),
            Value::Integer(0) => types.push(8),
            Value::Integer(1) => types.push(9),
            Value::Integer(number) => {
                let (kind, size) = integer_kind(*number);
                types.push(kind);
                body.extend_from_slice(&number.to_be_bytes()[8 - size..]);
            }
            Value::Text(bytes) => {
                push_varint(text_kind(bytes, 1), &mut types);
                body.extend_from_slice(bytes);
            }
            Value::Blob(bytes) => {
                push_varint(text_kind(bytes, 0), &mut types);
                body.extend_from_slice(bytes);
            }
        }
    }
    // The size counts itself.
    let mut size = types.len() + 1;
    if size > 127 {
        size += 1;
    }
    let mut payload = Vec::with_capacity(size + body.len());
    push_varint(size as u64, &mut payload);
    payload.append(&mut types);
    payload.append(&mut body);
    payload
}

/// The serial type of a number and its size in bytes.
fn integer_kind(number: i64) -> (u8, usize) {
    let bits = 65
        - if number < 0 {
            number.leading_ones()
        } else {
            number.leading_zeros()
        };
    match bits {
        0..=8 => (1, 1),
        9..=16 => (2, 2),
        17..=24 => (3, 3),
        25..=32 => (4, 4),
        33..=48 => (5, 6),
        _ => (6, 8),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_of_any_length_is_read_back(value: u64) {
            for value in [value, value >> 8, value >> 30, value >> 56] {
                let mut bytes = Vec::new();
                push_varint(value, &mut bytes);
                prop_assert_eq!(varint(&bytes), Some((value, bytes.len())));
                prop_assert_eq!(varint(&bytes[..bytes.len() - 1]), None);
            }
        }

        #[test]
        fn a_row_is_read_back(number: i64, shift in 0_u32..64, text: Vec<u8>, blob: Vec<u8>) {
            let row = [
                Value::Integer(number >> shift),
                Value::Text(&text),
                Value::Null,
                Value::Blob(&blob),
                Value::Integer(i64::from(number < 0)),
            ];
            let payload = encode(&row);
            prop_assert_eq!(decode::<5>(&payload), Some(row));
        }

        #[test]
        fn any_bytes_are_a_row_or_refused(bytes: Vec<u8>) {
            let _ = decode::<4>(&bytes);
        }
    }
}
