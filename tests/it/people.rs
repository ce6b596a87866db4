//! What a person does when something is left over: skip it, take it up again, take it back, delete its files; and how
//! places are named. The real program on small worlds.

mod alone;
mod back;
mod beside;
mod delete;
mod meanwhile;
mod names;
mod pasted;
mod retry;
mod shared;
mod skip;
mod twins;
mod unanswered;
mod unseen;
mod untold;
