import CryptoSuite
import SottoProtocol
import Testing
import WireFormat

@Suite struct DeviceLogTests {
  let random = SeededRandom(seed: 5)

  func key() -> SigningKey { SignatureAlgorithm.ed25519.generateKey(using: random) }
  func publicKey(_ key: SigningKey) throws -> PublicKey32 { try #require(PublicKey32(key.publicKey)) }

  @Test func `a log with every kind of entry verifies and reads back`() throws {
    let (recovery, first, second, newRecovery) = (key(), key(), key(), key())
    var log = try DeviceLog(recoveryKey: recovery, device: first, random: random)
    try log.addDevice(second, signer: first)
    try log.revokeDevice(try publicKey(first), signer: second)
    try log.rotateRecovery(to: try publicKey(newRecovery), signer: recovery)
    let read = try DeviceLog(verifying: log.encoded)
    #expect(read == log)
    #expect(read.activeDevices == [try publicKey(second)])
    #expect(read.recoveryKey == (try publicKey(newRecovery)))
    #expect(DeviceLog.identity(ofVerified: log.encoded) == log.identity)
  }

  @Test func `a revoked device neither acts nor returns`() throws {
    let (recovery, first, second) = (key(), key(), key())
    var log = try DeviceLog(recoveryKey: recovery, device: first, random: random)
    try log.addDevice(second, signer: first)
    try log.revokeDevice(try publicKey(first), signer: recovery)
    #expect(throws: DeviceLogError.notPermitted(entry: 3)) { try log.addDevice(key(), signer: first) }
    #expect(throws: DeviceLogError.notPermitted(entry: 3)) { try log.addDevice(first, signer: second) }
  }

  @Test func `only the recovery key rotates itself, and strangers do nothing`() throws {
    let (recovery, first) = (key(), key())
    var log = try DeviceLog(recoveryKey: recovery, device: first, random: random)
    let replacement = try publicKey(key())
    #expect(throws: DeviceLogError.notPermitted(entry: 1)) { try log.rotateRecovery(to: replacement, signer: first) }
    #expect(throws: DeviceLogError.notPermitted(entry: 1)) { try log.addDevice(key(), signer: key()) }
    #expect(log.entries.count == 1)
  }

  @Test func `no single changed bit of a log verifies as the same person`() throws {
    let recovery = key()
    var log = try DeviceLog(recoveryKey: recovery, device: key(), random: random)
    try log.addDevice(key(), signer: recovery)
    let bytes = log.encoded
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 1
      #expect((try? DeviceLog(verifying: changed)) == nil)
    }
    for count in 0..<bytes.count { #expect((try? DeviceLog(verifying: Array(bytes.prefix(count)))) == nil) }
  }

  @Test func `a log extends itself and its beginnings, not another branch`() throws {
    let recovery = key()
    let start = try DeviceLog(recoveryKey: recovery, device: key(), random: random)
    var one = start
    var other = start
    try one.addDevice(key(), signer: recovery)
    try other.addDevice(key(), signer: recovery)
    #expect(one.extends(start))
    #expect(one.extends(one))
    #expect(!start.extends(one))
    #expect(!one.extends(other))
  }

  @Test func `entries out of order or of another person are refused`() throws {
    let recovery = key()
    var log = try DeviceLog(recoveryKey: recovery, device: key(), random: random)
    try log.addDevice(key(), signer: recovery)
    try log.addDevice(key(), signer: recovery)
    let entries = log.entries
    #expect(throws: DeviceLogError.brokenChain(entry: 1)) { try DeviceLog(verifying: [entries[0], entries[2], entries[1]]) }
    #expect(throws: DeviceLogError.badGenesis) { try DeviceLog(verifying: Array(entries.dropFirst())) }
    #expect(throws: DeviceLogError.badLength(0)) { try DeviceLog(verifying: [DeviceLogEntry]()) }
  }

  @Test func `a log ends at its limit`() throws {
    let recovery = key()
    var log = try DeviceLog(recoveryKey: recovery, device: key(), random: random)
    for _ in 1..<Limits.deviceLogEntryCount { try log.addDevice(key(), signer: recovery) }
    #expect(throws: DeviceLogError.badLength(65)) { try log.addDevice(key(), signer: recovery) }
  }

  @Test func `the recovery key survives being written down, in either case and with spaces`() throws {
    let recovery = try RecoveryKey(random: random)
    let text = recovery.revealedText()
    #expect(text.split(separator: "-").count == 11)
    for form in [text, text.lowercased(), text.replacing("-", with: " "), text.replacing("0", with: "O").replacing("1", with: "l")] {
      #expect(RecoveryKey(text: form)?.signingKey.publicKey == recovery.signingKey.publicKey)
    }
    #expect(RecoveryKey(text: String(text.dropLast())) == nil)
    #expect(RecoveryKey(text: "") == nil)
    let wrong = (text.first == "0" ? "2" : "0") + text.dropFirst()
    #expect(RecoveryKey(text: wrong) == nil)
  }

  @Test func `both sides compute the same safety number, and others another`() {
    let (one, other, third) = (IdentityID.random(using: random), IdentityID.random(using: random), IdentityID.random(using: random))
    #expect(SafetyNumber(one, other) == SafetyNumber(other, one))
    #expect(SafetyNumber(one, other) != SafetyNumber(one, third))
    #expect(SafetyNumber(one, other).groups.count == 12)
    #expect(SafetyNumber(one, other).groups.allSatisfy { $0.count == 5 })
  }

  @Test func `no identifier and no key describes itself`() {
    let id = MailboxID(trusted: [UInt8](repeating: 0xAB, count: 16))
    for text in ["\(id)", String(reflecting: id), "\([id])"] {
      #expect(!text.lowercased().contains("ab, ") && !text.contains("171"))
    }
  }
}

@Suite struct IdentityStatementTests {
  let random = SeededRandom(seed: 6)

  @Test func `a statement is believed only for its server, in its time, and never older than one seen`() throws {
    let signer = SignatureAlgorithm.ed25519.generateKey(using: random)
    let key = try #require(PublicKey32(signer.publicKey))
    let statement = try IdentityStatement(
      signer: signer, sequence: 4, notAfter: 1_000, keyHashes: [.random(using: random)],
      issuerKeys: (0..<2).map { _ in IssuerKeys(entry: .random(using: random), common: .random(using: random)) })
    let bytes = statement.encoded
    #expect(try IdentityStatement(verifying: bytes, serverKey: key, now: 1_000, lastSequence: 4) == statement)
    #expect(throws: IdentityStatementError.expired) { try IdentityStatement(verifying: bytes, serverKey: key, now: 1_001, lastSequence: 0) }
    #expect(throws: IdentityStatementError.rolledBack) { try IdentityStatement(verifying: bytes, serverKey: key, now: 0, lastSequence: 5) }
    #expect(throws: IdentityStatementError.otherServer) {
      try IdentityStatement(verifying: bytes, serverKey: .random(using: random), now: 0, lastSequence: 0)
    }
    // What an earlier version said, with one issuer key for a quarter, is not read, whoever signed it.
    for version in [1, 2, 4] as [UInt8] {
      #expect(throws: IdentityStatementError.otherVersion) {
        try IdentityStatement(verifying: [version] + bytes.dropFirst(), serverKey: key, now: 0, lastSequence: 0)
      }
    }
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 1
      #expect(throws: IdentityStatementError.self) { try IdentityStatement(verifying: changed, serverKey: key, now: 0, lastSequence: 0) }
    }
    for count in 0..<bytes.count {
      #expect(throws: IdentityStatementError.malformed) {
        try IdentityStatement(verifying: Array(bytes.prefix(count)), serverKey: key, now: 0, lastSequence: 0)
      }
    }
  }
}
