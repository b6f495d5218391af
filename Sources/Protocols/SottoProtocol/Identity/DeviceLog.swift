public import CryptoSuite
import WireFormat

/// A person: the hash-chained list of that person's devices (docs/protocol.md §5).
///
/// A value of this type has been verified from genesis to head; received bytes become one only through `init(verifying:)`.
public struct DeviceLog: Hashable, Sendable {
  public private(set) var entries: [DeviceLogEntry]
  public let identity: IdentityID
  /// Ed25519; outranks devices.
  public private(set) var recoveryKey: PublicKey32
  /// The devices that may act for the person now, oldest first.
  public private(set) var activeDevices: [PublicKey32]
  private var revokedDevices: Set<PublicKey32> = []

  /// Begins a person: genesis with its first device.
  public init(recoveryKey recovery: SigningKey, device: SigningKey, random: any RandomSource) throws(CryptoError) {
    guard let recoveryKey = PublicKey32(recovery.publicKey), let deviceKey = PublicKey32(device.publicKey) else { throw .invalidKey }
    let body = DeviceLogEntry.Body.genesis(
      nonce: random.bytes(DeviceLogEntry.nonceByteCount), recoveryKey: recoveryKey, deviceKey: deviceKey)
    let genesis = try DeviceLogEntry(
      sequence: 0, previous: KeyHash(trusted: [UInt8](repeating: 0, count: 32)), body: body, device: device, signer: recovery)
    entries = [genesis]
    identity = IdentityID(trusted: genesis.hash.bytes)
    self.recoveryKey = recoveryKey
    activeDevices = [deviceKey]
  }

  /// Verifies a received chain.
  ///
  /// - Throws: what is wrong with it; a log never verifies in part.
  public init(verifying entries: [DeviceLogEntry]) throws(DeviceLogError) {
    guard let genesis = entries.first, entries.count <= Limits.deviceLogEntryCount else { throw .badLength(entries.count) }
    guard case .genesis(_, let recoveryKey, let deviceKey) = genesis.body, genesis.sequence == 0,
      genesis.previous.bytes.allSatisfy({ $0 == 0 }), genesis.signer == recoveryKey
    else { throw .badGenesis }
    guard genesis.signaturesAreValid else { throw .badSignature(entry: 0) }
    self.entries = [genesis]
    identity = IdentityID(trusted: genesis.hash.bytes)
    self.recoveryKey = recoveryKey
    activeDevices = [deviceKey]
    for entry in entries.dropFirst() { try append(entry) }
  }

  /// Verifies a chain from its encoding, `DeviceLogEntry log<V>`.
  public init(verifying bytes: [UInt8]) throws(DeviceLogError) {
    let entries: [DeviceLogEntry]
    do {
      var reader = ByteReader(bytes.span)
      entries = try reader.readList(maxCount: Limits.deviceLogEntryCount)
      try reader.finish()
    } catch { throw .malformed }
    try self.init(verifying: entries)
  }

  /// The identity of a chain that was verified before, without verifying it again.
  public static func identity(ofVerified bytes: [UInt8]) -> IdentityID? {
    var reader = ByteReader(bytes.span)
    guard let entries = try? reader.readList(of: DeviceLogEntry.self, maxCount: Limits.deviceLogEntryCount), let genesis = entries.first
    else {
      return nil
    }
    return IdentityID(trusted: genesis.hash.bytes)
  }

  public var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.writeList(entries)
    return writer.bytes
  }

  /// Whether this log is `older` with zero or more entries after it: what a client demands of a log it sees again.
  public func extends(_ older: DeviceLog) -> Bool {
    identity == older.identity && entries.count >= older.entries.count && entries.prefix(older.entries.count).elementsEqual(older.entries)
  }

  /// Adds a device; `signer` is an active device or the recovery key.
  public mutating func addDevice(_ device: SigningKey, signer: SigningKey) throws(DeviceLogError) {
    guard let key = PublicKey32(device.publicKey) else { throw .malformed }
    try sign(.addDevice(key), device: device, signer: signer)
  }

  /// Revokes a device for good.
  public mutating func revokeDevice(_ device: PublicKey32, signer: SigningKey) throws(DeviceLogError) {
    try sign(.revokeDevice(device), device: nil, signer: signer)
  }

  /// Replaces the recovery key, signed by the old one.
  public mutating func rotateRecovery(to key: PublicKey32, signer: SigningKey) throws(DeviceLogError) {
    try sign(.rotateRecovery(key), device: nil, signer: signer)
  }

  private mutating func sign(_ body: DeviceLogEntry.Body, device: SigningKey?, signer: SigningKey) throws(DeviceLogError) {
    guard let last = entries.last else { throw .badLength(0) }
    let entry: DeviceLogEntry
    do {
      entry = try DeviceLogEntry(sequence: last.sequence &+ 1, previous: last.hash, body: body, device: device, signer: signer)
    } catch { throw .malformed }
    try append(entry)
  }

  private mutating func append(_ entry: DeviceLogEntry) throws(DeviceLogError) {
    let index = entries.count
    guard index < Limits.deviceLogEntryCount else { throw .badLength(index + 1) }
    guard let last = entries.last, entry.sequence == UInt64(index), entry.previous == last.hash else { throw .brokenChain(entry: index) }
    let signedByRecovery = entry.signer == recoveryKey
    guard signedByRecovery || activeDevices.contains(entry.signer) else { throw .notPermitted(entry: index) }
    switch entry.body {
    case .genesis: throw .brokenChain(entry: index)
    case .addDevice(let key):
      guard !activeDevices.contains(key), !revokedDevices.contains(key) else { throw .notPermitted(entry: index) }
    case .revokeDevice(let key):
      guard activeDevices.contains(key) else { throw .notPermitted(entry: index) }
    case .rotateRecovery:
      guard signedByRecovery else { throw .notPermitted(entry: index) }
    }
    guard entry.signaturesAreValid else { throw .badSignature(entry: index) }
    switch entry.body {
    case .genesis: break
    case .addDevice(let key): activeDevices.append(key)
    case .revokeDevice(let key):
      activeDevices.removeAll { $0 == key }
      revokedDevices.insert(key)
    case .rotateRecovery(let key): recoveryKey = key
    }
    entries.append(entry)
  }
}

/// Why a device log is refused.
public enum DeviceLogError: Error, Equatable, Sendable {
  case malformed
  case badLength(Int)
  case badGenesis
  /// A sequence number or hash does not follow.
  case brokenChain(entry: Int)
  case badSignature(entry: Int)
  /// The signer may not do this, or the device was revoked or is there already.
  case notPermitted(entry: Int)
}
