//! What safety promises (requirements S1, S3, S5), seen from outside, with the real program.

mod modes;
mod secrets;
mod tls;
