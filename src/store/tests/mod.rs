//! Properties of the store as a whole.

mod attendance;
mod numbers;
mod readings;
mod together;
