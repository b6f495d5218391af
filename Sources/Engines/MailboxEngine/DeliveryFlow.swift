import SottoProtocol

/// How far a stream is ahead of its acknowledgements, and whether the client knows that nothing waits.
struct DeliveryFlow {
  private struct Sent {
    let sequence: UInt64
    let byteCount: Int
  }

  /// The sequence of the last envelope sent; 0 before the first, which no envelope has.
  private(set) var lastSequence: UInt64 = 0
  private var unacknowledged: [Sent] = []
  private var unacknowledgedByteCount = 0
  private var isDrained = false

  /// How much may be sent now, or nil when an acknowledgement has to come first.
  var room: PageLimit? {
    let count = Limits.unacknowledgedEnvelopeCount - unacknowledged.count
    let byteCount = ServerLimits.unacknowledgedByteCount - unacknowledgedByteCount
    return count > 0 && byteCount > 0 ? PageLimit(count: count, byteCount: byteCount) : nil
  }

  /// Counts an envelope as sent.
  ///
  /// - Returns: false, and counts nothing, when it does not fit; the next read brings it again.
  mutating func admit(_ envelope: StoredEnvelope) -> Bool {
    guard let room, envelope.sealed.count <= room.byteCount else { return false }
    precondition(envelope.sequence > lastSequence, "a store reads in order")
    lastSequence = envelope.sequence
    unacknowledged.append(Sent(sequence: envelope.sequence, byteCount: envelope.sealed.count))
    unacknowledgedByteCount += envelope.sealed.count
    isDrained = false
    return true
  }

  mutating func acknowledge(through sequence: UInt64) {
    let count = unacknowledged.prefix { $0.sequence <= sequence }.count
    unacknowledgedByteCount -= unacknowledged.prefix(count).reduce(0) { $0 + $1.byteCount }
    unacknowledged.removeFirst(count)
  }

  /// Nothing waits.
  ///
  /// - Returns: whether the client has yet to be told.
  mutating func becomesDrained() -> Bool {
    defer { isDrained = true }
    return !isDrained
  }
}
