/// How many bytes of a stream the frame decoder may be holding: what has come, less what it has given out as frames.
///
/// It is never less than what the decoder holds. With frames in their shortest form (RFC 6455 §5.2) it is exactly that; with
/// others it is more by at most one read.
struct UndecodedBytes {
  private(set) var count = 0
  private var lastReadCount = 0

  /// Bytes are about to reach the decoder.
  mutating func came(_ byteCount: Int) {
    count += byteCount
    lastReadCount = byteCount
  }

  /// A masked frame has come out.
  ///
  /// - Returns: how many of the bytes that have left the decoder are the frame's payload, and how many are not.
  mutating func frameCame(payloadByteCount: Int) -> (payload: Int, rest: Int) {
    let lengthByteCount = payloadByteCount < 126 ? 0 : payloadByteCount < 1 << 16 ? 2 : 8
    // What is still there came with the last read: a frame comes out as soon as its last byte is there.
    let left = min(max(0, count - 2 - lengthByteCount - 4 - payloadByteCount), lastReadCount)
    let gone = count - left
    count = left
    let payload = min(payloadByteCount, gone)
    return (payload, gone - payload)
  }

  /// The decoder is gone.
  ///
  /// - Returns: how many bytes went with it.
  mutating func end() -> Int {
    defer { count = 0 }
    return count
  }
}
