//! An agent's event stream: how it is cut into chunks changes nothing, and no event is larger than the limit.
#![no_main]

use kagent_core::a2a::sse::{Parser, TooLarge};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 256;

fn read<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), TooLarge>) {
    let mut parser = Parser::new(LIMIT);
    let mut events = Vec::new();
    for chunk in chunks {
        if let Err(error) = parser.push(chunk, |data| events.push(data.to_vec())) {
            return (events, Err(error));
        }
    }
    let end = parser.finish(|data| events.push(data.to_vec()));
    (events, end)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let size = usize::from(size).max(1);
    let (whole, end) = read(std::iter::once(stream));
    let (cut, cut_end) = read(stream.chunks(size));
    assert!(whole.iter().all(|event| event.len() <= LIMIT));
    // A whole line may pass where its pieces had to be kept: only then may the two differ.
    if end.is_ok() && cut_end.is_ok() {
        assert_eq!(whole, cut);
    }
    if cut_end.is_ok() {
        assert!(end.is_ok(), "refused whole, taken in pieces");
    }
});
