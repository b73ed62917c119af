//! Tests of the program from outside, and of the house itself.

mod bad_input;
mod floors;
mod reports;
