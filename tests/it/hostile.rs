//! Three hundred venues, each hostile in its own way, and the real program (rules S2, S4 and S6, and D3's exactness):
//! a clear event each, nothing else harmed, no byte sent where it must not go, memory bounded.

mod answers;
mod arrays;
mod bombs;
mod events;
mod harmless;
mod hosts;
mod memory;
mod origin;
mod pictures;
mod place;
mod rows;
mod statements;
mod story;
mod texts;
mod traps;
mod unread;
mod urls;
mod world;
