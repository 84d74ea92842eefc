//! Rows of the views, on their way from the database to the reports.

use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// Why rows are not what a struct wants.
pub type RowError = serde::de::value::Error;

/// One cell, as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    /// A whole number; flags are 0 and 1.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// A text, maybe a stranger's; instants are texts, too.
    Text(String),
}

/// The rows of a view: all its columns, under their SQL names and in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    /// The rows; each has as many values as there are columns.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// The rows, to be asked by column name.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.rows.iter().map(|values| Line { columns: &self.columns, values })
    }

    /// The rows as structs whose fields are named as the columns; columns of which a struct has no field are left out.
    ///
    /// A column that is missing is an error, and so is a value of another type.
    pub fn typed<'t, T: Deserialize<'t>>(&'t self) -> Result<Vec<T>, RowError> {
        self.lines().map(T::deserialize).collect()
    }
}

/// A row that is asked by column name; a column that is not there reads as unknown.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl<'a> Line<'a> {
    pub fn value(self, column: &str) -> &'a Value {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// The text of a column, as it is stored.
    pub fn text(self, column: &str) -> Option<&'a str> {
        match self.value(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn integer(self, column: &str) -> Option<i64> {
        match self.value(column) {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub fn real(self, column: &str) -> Option<f64> {
        match self.value(column) {
            Value::Real(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether a flag is set; one that is unknown is not.
    pub fn flag(self, column: &str) -> bool {
        self.integer(column) == Some(1)
    }
}

impl<'de> Deserializer<'de> for Line<'de> {
    type Error = RowError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_map(MapDeserializer::new(self.columns.iter().map(String::as_str).zip(self.values)))
    }

    /// Without this, a field that may be unknown would hide that its column is missing.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        match fields.iter().find(|field| !self.columns.iter().any(|column| column == *field)) {
            Some(field) => Err(RowError::missing_field(field)),
            None => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> Deserializer<'de> for &'de Value {
    type Error = RowError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Real(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_borrowed_str(text),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self {
            Value::Integer(flag @ (0 | 1)) => visitor.visit_bool(*flag == 1),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, RowError> for &'de Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Row<'t> {
        late: bool,
        name: Option<&'t str>,
        percent: f64,
    }

    fn table(columns: &[&str], row: &[Value]) -> Table {
        Table { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows: vec![row.to_vec()] }
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        let text = |text: &str| Value::Text(text.to_owned());
        let columns = ["name", "joins", "percent", "late"];
        let table_of =
            |name| table(&columns, &[name, Value::Integer(2), Value::Real(66.7), Value::Integer(1)]);
        assert_eq!(
            table_of(text("Ada")).typed::<Row<'_>>().unwrap(),
            [Row { late: true, name: Some("Ada"), percent: 66.7 }]
        );
        assert_eq!(table_of(Value::Null).typed::<Row<'_>>().unwrap()[0].name, None);
        let wrong = table_of(Value::Integer(3));
        assert!(wrong.typed::<Row<'_>>().unwrap_err().to_string().contains("invalid type"));
        let without = table(&["percent", "late"], &[Value::Real(1.0), Value::Integer(0)]);
        assert_eq!(without.typed::<Row<'_>>().unwrap_err().to_string(), "missing field `name`");
    }
}
