//! The order of texts.

use std::cmp::Ordering;

/// That of [`Ord`], eight bytes at a time: musl takes them one by one.
pub(crate) fn compare(one: &str, two: &str) -> Ordering {
    let (ones, rest) = one.as_bytes().as_chunks::<8>();
    let (twos, other_rest) = two.as_bytes().as_chunks::<8>();
    let differ = ones.iter().zip(twos).find(|(one, two)| one != two);
    match differ {
        Some((one, two)) => one.cmp(two),
        None if ones.len() == twos.len() => rest.cmp(other_rest),
        None => one.cmp(two),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn it_is_that_of_the_standard_library(one in "[ab]{0,20}", two in "[ab]{0,20}") {
            proptest::prop_assert_eq!(compare(&one, &two), one.cmp(&two));
        }
    }
}
