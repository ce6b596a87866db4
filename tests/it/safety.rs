//! What safety promises (requirements S1, S3, S5), seen from outside, with the real program.

mod copies;
mod echo;
mod env_file;
mod hints;
mod modes;
mod others;
mod parents;
mod places;
mod planted;
mod roots;
mod secrets;
mod tls;
