import CryptoSuite
import WireFormat

/// The tree from which each member's message keys of one epoch are derived (RFC 9420 §9).
///
/// A value that shares its structure with its copies. Nothing is derived before it is needed, so a group of any size costs
/// its depth for each sender, and a secret is gone from the value as soon as something was derived from it.
struct SecretTree: Sendable {
  indirect enum Branch: Sendable {
    /// Nothing below has been derived.
    case sealed(Secret)
    case parent(left: Branch, right: Branch)
    case member(MemberRatchets)
  }

  private(set) var root: Branch
  private let depth: Int

  /// The tree of an epoch with this many leaves, rounded up to a power of two as the ratchet tree is.
  init(encryptionSecret: Secret, leafCount: Int) {
    root = .sealed(encryptionSecret)
    var depth = 0
    while depth < Limits.maxPathLength, 1 << depth < leafCount { depth += 1 }
    self.depth = depth
  }

  /// The next key of one's own ratchet.
  mutating func advance(
    _ leaf: LeafIndex, _ type: ContentType, _ suite: CipherSuite
  ) throws(MLSError) -> (generation: UInt32, key: MessageKey) {
    try update(leaf, suite) { (ratchets) throws(MLSError) in
      try type == .application ? ratchets.application.advance(suite) : ratchets.handshake.advance(suite)
    }
  }

  /// The key of a received message.
  ///
  /// - Throws: as ``HashRatchet/take(_:_:)``; `.invalidSender` beyond the tree.
  mutating func take(
    _ leaf: LeafIndex, _ type: ContentType, _ generation: UInt32, _ suite: CipherSuite
  ) throws(MLSError) -> MessageKey {
    try update(leaf, suite) { (ratchets) throws(MLSError) in
      try type == .application
        ? ratchets.application.take(generation, suite) : ratchets.handshake.take(generation, suite)
    }
  }

  private mutating func update<Result>(
    _ leaf: LeafIndex, _ suite: CipherSuite, _ body: (inout MemberRatchets) throws(MLSError) -> Result
  ) throws(MLSError) -> Result {
    guard leaf.rawValue < UInt32(1) << UInt32(depth) else { throw .invalidSender }
    var siblings: [(isLeft: Bool, branch: Branch)] = []
    siblings.reserveCapacity(depth)
    var branch = root
    for level in (0..<UInt32(depth)).reversed() {
      let (left, right) = children(of: branch, suite)
      let goesRight = leaf.rawValue >> level & 1 == 1
      siblings.append(goesRight ? (isLeft: true, branch: left) : (isLeft: false, branch: right))
      branch = goesRight ? right : left
    }
    var ratchets: MemberRatchets
    switch branch {
    case .sealed(let secret): ratchets = MemberRatchets(secret: secret, suite)
    case .member(let existing): ratchets = existing
    case .parent: preconditionFailure("a leaf of the secret tree has no children")
    }
    let result = try body(&ratchets)
    branch = .member(ratchets)
    for sibling in siblings.reversed() {
      branch =
        sibling.isLeft
        ? .parent(left: sibling.branch, right: branch) : .parent(left: branch, right: sibling.branch)
    }
    root = branch
    return result
  }

  private func children(of branch: Branch, _ suite: CipherSuite) -> (left: Branch, right: Branch) {
    switch branch {
    case .parent(let left, let right): return (left, right)
    case .sealed(let secret):
      return (.sealed(suite.leftSecret(below: secret)), .sealed(suite.rightSecret(below: secret)))
    case .member: preconditionFailure("members are at the bottom of the secret tree")
    }
  }
}

/// One member's two ratchets (RFC 9420 §9, figure 26).
struct MemberRatchets: Sendable {
  var handshake: HashRatchet
  var application: HashRatchet

  init(secret: Secret, _ suite: CipherSuite) {
    handshake = HashRatchet(secret: suite.deriveSecret(secret, label: "handshake"))
    application = HashRatchet(secret: suite.deriveSecret(secret, label: "application"))
  }
}

// MARK: - Saved state

extension SecretTree: WireCodable {
  func encode(into writer: inout ByteWriter) {
    writer.write(UInt8(truncatingIfNeeded: depth))
    encode(root, into: &writer)
  }

  private func encode(_ branch: Branch, into writer: inout ByteWriter) {
    switch branch {
    case .sealed(let secret):
      writer.write(UInt8(0))
      writer.writeVector(secret)
    case .parent(let left, let right):
      writer.write(UInt8(1))
      encode(left, into: &writer)
      encode(right, into: &writer)
    case .member(let ratchets):
      writer.write(UInt8(2))
      ratchets.handshake.encode(into: &writer)
      ratchets.application.encode(into: &writer)
    }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    let depth = Int(try reader.readUInt8())
    guard depth <= Limits.maxPathLength else { throw .invalidValue(UInt64(depth)) }
    self.depth = depth
    root = try SecretTree.decode(from: &reader, height: depth)
  }

  private static func decode(from reader: inout ByteReader, height: Int) throws(WireError) -> Branch {
    let tag = try reader.readUInt8()
    switch tag {
    case 0: return .sealed(try reader.readSecret())
    case 1 where height > 0:
      let left = try decode(from: &reader, height: height - 1)
      return .parent(left: left, right: try decode(from: &reader, height: height - 1))
    case 2 where height == 0: return .member(try MemberRatchets(from: &reader))
    default: throw .invalidValue(UInt64(tag))
    }
  }
}

extension MemberRatchets: WireDecodable {
  init(from reader: inout ByteReader) throws(WireError) {
    handshake = try HashRatchet(from: &reader)
    application = try HashRatchet(from: &reader)
  }
}
