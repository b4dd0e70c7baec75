//! The program: everything it does is in the library, except for where its memory comes from.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    cloakroom::cli::main()
}
