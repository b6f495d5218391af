import CryptoSuite
public import SottoProtocol

/// What a store knows a thing by: an HMAC under the server's secret, never the identifier, key or hash itself.
///
/// Equal things have equal names, so a store can look them up; who holds the store but not the secret cannot tell
/// whether a name belongs to an identifier that they know. Looking one up needs no constant time for the same reason.
public struct StoredName: FixedBytes {
  public static let byteCount = 32
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

extension StoredName: Comparable {
  public static func < (left: StoredName, right: StoredName) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}

/// Makes the names under which things are stored (docs/protocol.md §7, "At rest").
///
/// Each kind has its own first byte, and every field a fixed length, so no two things share a name. What belongs to one
/// mailbox or log has that mailbox's or log's identifier in its name: the same send in two mailboxes, or one key in two
/// logs, has two names with nothing in common.
struct StoredNames: Sendable {
  private enum Kind: UInt8 {
    case mailbox = 1, deliveryKey, receipt, voucher, capability, publisher, blob, log, writeKey, administrator, creation
    case rotation, claimer
    case batch, token, object
  }

  private let key: Secret
  /// Makes the keys that rows are sealed under: another secret than that of the names, for the same identifiers.
  private let rowKey: Secret

  init(key: Secret, rowKey: Secret) {
    self.key = key
    self.rowKey = rowKey
  }

  private func name(_ kind: Kind, _ fields: [UInt8]...) -> StoredName {
    StoredName(trusted: HashAlgorithm.sha256.hmac(key: key, fields.reduce(into: [kind.rawValue]) { $0 += $1 }))
  }

  private func place(_ kind: Kind, _ identifier: [UInt8]) -> StoredPlace {
    StoredPlace(
      name: name(kind, identifier),
      key: Secret(HashAlgorithm.sha256.hmac(key: rowKey, [kind.rawValue] + identifier)))
  }

  func mailbox(_ id: MailboxID) -> StoredPlace { place(.mailbox, id.bytes) }

  func deliveryKey(_ hash: KeyHash, of mailbox: MailboxID) -> StoredName {
    name(.deliveryKey, mailbox.bytes, hash.bytes)
  }

  /// Makes a repeated send known again at one mailbox.
  func receipt(_ send: SendID, at mailbox: MailboxID) -> StoredName { name(.receipt, mailbox.bytes, send.bytes) }

  func voucher(_ voucher: Permission) -> StoredName { name(.voucher, voucher.bytes) }

  /// Makes the repetition of a voucher's use known again.
  func batch(_ issuerKey: KeyHash, _ blinded: [BlindNumber]) -> StoredName {
    name(.batch, issuerKey.bytes, blinded.flatMap(\.bytes))
  }

  /// A token that is spent. Its signature is no part: a token has one name, whatever is signed for it.
  func token(_ id: TokenID) -> StoredName { name(.token, id.bytes) }

  func capability(_ hash: KeyHash) -> StoredPlace { place(.capability, hash.bytes) }

  /// Proves that the same mailbox published under a capability, and tells nobody which one.
  func publisher(_ mailbox: MailboxID, of capability: KeyHash) -> StoredName {
    name(.publisher, mailbox.bytes, capability.bytes)
  }

  /// Makes a repeated claim known again.
  func claimer(_ claim: ClaimID, of capability: KeyHash) -> StoredName { name(.claimer, capability.bytes, claim.bytes) }

  func blob(_ blob: [UInt8], under capability: KeyHash) -> StoredName {
    name(.blob, capability.bytes, HashAlgorithm.sha256.hash(blob))
  }

  func object(_ id: ObjectID) -> StoredName { name(.object, id.bytes) }

  func log(_ handle: HandleID) -> StoredPlace { place(.log, handle.bytes) }

  func writeKey(_ hash: KeyHash, of handle: HandleID) -> StoredName { name(.writeKey, handle.bytes, hash.bytes) }

  func administrator(_ key: PublicKey32, of handle: HandleID) -> StoredName {
    name(.administrator, handle.bytes, key.bytes)
  }

  /// All fields of a `create_log`, so that its repetition is known after the keys have changed.
  func creation(_ handle: HandleID, writeKeyHash: KeyHash, administrators: [PublicKey32]) -> StoredName {
    name(.creation, handle.bytes, writeKeyHash.bytes, administrators.flatMap(\.bytes))
  }

  /// One rotation at one slot.
  func rotation(_ rotation: Rotation, of handle: HandleID, slot: UInt64) -> StoredName {
    var number: [UInt8] = []
    for shift in stride(from: UInt64(56), through: 0, by: -8) { number.append(UInt8(truncatingIfNeeded: slot >> shift)) }
    return name(.rotation, handle.bytes, number, rotation.encodedForName)
  }
}

extension Rotation {
  /// The whole rotation but its signature: Ed25519 lets a signer make several for the same content, which are one rotation.
  fileprivate var encodedForName: [UInt8] {
    writeKeyHash.bytes + signer.bytes + administratorKeys.flatMap(\.bytes)
  }
}
