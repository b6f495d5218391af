import WireFormat

/// Overwrites the part of the stack below the caller, where the functions it called have left what they computed with.
///
/// The libraries below wipe what they allocate but not their frames, in which keys and digests stay until something
/// else happens to be called. Whoever handles secrets calls this when it is done, best by `defer`.
@inline(never)
public func eraseStack() {
  #if DEBUG
    // Frames of code that is not optimised are several times as large.
    var frame = InlineArray<16384, UInt64>(repeating: 0)
  #else
    // Deeper than the deepest of them, ML-KEM inside X-Wing.
    var frame = InlineArray<2048, UInt64>(repeating: 0)
  #endif
  var words = frame.mutableSpan
  // The span is this frame's own. The zeros are there already, and must be: who is given the first eight bytes might
  // look at all.
  unsafe words.withUnsafeMutableBytes { unsafe UnsafeMutableRawBufferPointer(rebasing: $0[..<8]).wipe() }
}

/// Runs `body`, which frees a block of memory of this size that holds a key, and overwrites the block: for an object of
/// swift-crypto that is not wiped when it goes.
///
/// Allocators with a cache for each thread (glibc's among them) serve who asks for a block with the ones of its size that
/// were freed last. Such a cache has few places, and what is freed while it is full goes to where nobody gets it back. So one
/// block is held meanwhile, which makes a place, and several are asked for afterwards, as `body` may have freed others of the
/// size later. Where an allocator works in another way, nothing is lost but the time.
func erasingFreedBlock<Result, Failure: Error>(
  byteCount: Int, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  let place = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 1)
  defer {
    eraseFreedBlocks(byteCount: byteCount)
    // The block is this function's own. It is written to so that no optimiser takes it for unused.
    unsafe place.wipe()
    unsafe place.deallocate()
  }
  return try body()
}

@inline(never)
private func eraseFreedBlocks(byteCount: Int) {
  let blocks = unsafe InlineArray<4, UnsafeMutableRawBufferPointer> { _ in
    UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 1)
  }
  for index in unsafe blocks.indices {
    // The blocks are this function's own, and only written to.
    unsafe blocks[index].wipe()
    unsafe blocks[index].deallocate()
  }
}
