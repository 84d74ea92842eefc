//! Rows of the views, on their way from the database to the reports.

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
