import CryptoSuite
import WireFormat

/// A key and nonce for one message (RFC 9420 §9.1).
struct MessageKey: Sendable, Equatable {
  var key: Secret
  var nonce: Secret
}

/// One sender's chain of message keys for one kind of content (RFC 9420 §9.1). Keys are handed out once.
struct HashRatchet: Sendable {
  /// A key passed over because its message has not come yet.
  struct Skipped: Sendable {
    var generation: UInt32
    var key: MessageKey
  }

  /// The secret of generation `next`; those before are gone.
  private(set) var secret: Secret
  private(set) var next: UInt32
  /// In rising order of generation, at most ``Limits/maxSkippedGenerations``.
  private(set) var skipped: [Skipped]

  init(secret: Secret) {
    self.secret = secret
    next = 0
    skipped = []
  }

  /// The key for the next message to send.
  mutating func advance(_ suite: CipherSuite) throws(MLSError) -> (generation: UInt32, key: MessageKey) {
    let generation = next
    return (generation, try step(suite))
  }

  /// The key of a received message, which can be taken once.
  ///
  /// - Throws: `.replayedOrExpiredGeneration` when it was taken or dropped, `.generationTooFarAhead` beyond
  ///   ``Limits/maxForwardGenerations``.
  mutating func take(_ generation: UInt32, _ suite: CipherSuite) throws(MLSError) -> MessageKey {
    if generation < next {
      guard let index = skipped.firstIndex(where: { $0.generation == generation }) else {
        throw .replayedOrExpiredGeneration(generation)
      }
      return skipped.remove(at: index).key
    }
    guard generation - next <= Limits.maxForwardGenerations else { throw .generationTooFarAhead(generation) }
    while next < generation {
      let passed = next
      skipped.append(Skipped(generation: passed, key: try step(suite)))
    }
    if skipped.count > Limits.maxSkippedGenerations {
      skipped.removeFirst(skipped.count - Limits.maxSkippedGenerations)
    }
    return try step(suite)
  }

  private mutating func step(_ suite: CipherSuite) throws(MLSError) -> MessageKey {
    guard next < UInt32.max else { throw .generationsExhausted }
    let key = suite.deriveTreeSecret(secret, label: "key", generation: next, count: suite.aead.keyByteCount)
    let nonce = suite.deriveTreeSecret(secret, label: "nonce", generation: next, count: suite.aead.nonceByteCount)
    secret = suite.deriveTreeSecret(secret, label: "secret", generation: next, count: suite.hash.byteCount)
    next += 1
    return MessageKey(key: key, nonce: nonce)
  }
}

// MARK: - Saved state

extension HashRatchet: WireCodable {
  func encode(into writer: inout ByteWriter) {
    writer.writeVector(secret)
    writer.write(next)
    writer.writeList(skipped)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    secret = try reader.readSecret()
    next = try reader.readUInt32()
    skipped = try reader.readList(maxCount: Limits.maxSkippedGenerations)
  }
}

extension HashRatchet.Skipped: WireCodable {
  func encode(into writer: inout ByteWriter) {
    writer.write(generation)
    writer.writeVector(key.key)
    writer.writeVector(key.nonce)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    generation = try reader.readUInt32()
    let key = try reader.readSecret()
    self.key = MessageKey(key: key, nonce: try reader.readSecret())
  }
}
