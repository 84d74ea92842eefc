//! Lists of numbers as one value, into SQL and out of it.

use serde_json::Value as Json;

/// A list of numbers as one bound value.
pub(crate) fn json_list<N: Copy + Into<i64>>(numbers: &[N]) -> String {
    numbers.iter().map(|number| (*number).into()).collect::<Json>().to_string()
}

/// The numbers of a list that SQL has joined with blanks.
pub(crate) fn numbers(list: Option<&str>) -> Vec<i64> {
    list.into_iter().flat_map(|list| list.split(' ')).filter_map(|number| number.parse().ok()).collect()
}
