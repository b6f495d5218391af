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

/// Overwrites the block of memory of this size that was freed last, for an object of swift-crypto that holds a key and
/// is not wiped when it goes.
///
/// It asks for a block of that size, which allocators with a cache for each thread (glibc's among them) serve with the
/// one freed last. Where an allocator does not, nothing is lost but the time.
@inline(never)
func eraseFreedBlock(byteCount: Int) {
  let block = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 1)
  // The block is this function's own, and only written to.
  unsafe block.wipe()
  unsafe block.deallocate()
}
