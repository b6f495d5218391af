import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing
import WireFormat

@Suite struct HandleLogTests {
  private let server: EngineFixture
  private let handle: HandleID
  private let writeKey: Permission
  private let administrators: [SigningKey]

  init() throws {
    server = try EngineFixture(store: InMemoryMailboxStore())
    handle = .random(using: server.random)
    writeKey = .random(using: server.random)
    let random = server.random
    administrators = (0..<3).map { _ in SignatureAlgorithm.ed25519.generateKey(using: random) }
  }

  private func publicKeys(_ keys: [SigningKey]) -> [PublicKey32] { keys.map { PublicKey32(trusted: $0.publicKey) } }

  private func createLog() async throws {
    let request = Request.createLog(
      token: try server.token(), handle: handle, writeKeyHash: writeKey.hash, administratorKeys: publicKeys(administrators))
    #expect(try await server.call(request) == .created)
  }

  private func append(
    slot: UInt64, entry: [UInt8]? = nil, writeKey: Permission? = nil, rotation: Rotation? = nil, groupInfo: [UInt8] = [],
    recipients: [Recipient] = []
  ) async throws -> Answer {
    try await server.call(
      .append(
        LogAppend(
          handle: handle, slot: slot, writeKey: writeKey ?? self.writeKey, entry: entry ?? server.frame(),
          rotation: rotation, groupInfo: groupInfo, recipients: recipients)))
  }

  private func rotation(
    to writeKey: Permission, administrators: [SigningKey], slot: UInt64, entry: [UInt8], by signer: SigningKey,
    handle: HandleID? = nil
  ) throws -> Rotation {
    try Rotation(
      handle: handle ?? self.handle, slot: slot, writeKeyHash: writeKey.hash,
      administratorKeys: publicKeys(administrators), entry: entry, signer: signer)
  }

  @Test func `an append stands in its slot, with its GroupInfo and its copies`() async throws {
    try await createLog()
    let key = Permission.random(using: server.random)
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let stream = try await server.attach(mailbox)
    let entry = server.frame("entry")
    let groupInfo = server.frame("group info")
    let answer = try await append(
      slot: 0, entry: entry, groupInfo: groupInfo,
      recipients: [mailbox.recipient(key), mailbox.recipient(writeKey), mailbox.recipient(key)])
    #expect(answer == .appended([.accepted, .refused, .accepted]))
    try await stream.runWakes()
    #expect(await stream.envelopes.count == 1)
    let envelope = try mailbox.open(await stream.envelopes[0].sealed)
    #expect(envelope == Envelope(source: .log(slot: 0), frame: entry))
    #expect(try await server.call(.groupInfo(handle: handle)) == .groupInfo(groupInfo))
    let entries = Answer.entries(firstSlot: 0, nextSlot: 1, [LogEntry(slot: 0, frame: entry)])
    #expect(try await server.call(.readLog(handle: handle, from: 0)) == entries)
    #expect(try await append(slot: 0, entry: entry) == .duplicate)
    #expect(try await append(slot: 0) == .conflict(nextSlot: 1))
  }

  @Test func `a removed member's old write key appends no more`() async throws {
    try await createLog()
    let newKey = Permission.random(using: server.random)
    let commit = server.frame("removal")
    let rotation = try rotation(
      to: newKey, administrators: [administrators[0], administrators[1]], slot: 0, entry: commit, by: administrators[0])
    #expect(try await append(slot: 0, entry: commit, rotation: rotation) == .appended([]))
    #expect(try await append(slot: 1) == .refused)
    // The repetition of the removal itself shows the old write key, and is known by its entry.
    #expect(try await append(slot: 0, entry: commit, rotation: rotation) == .duplicate)
    #expect(try await append(slot: 1, writeKey: newKey) == .appended([]))
    // Nor does a removed administrator change the keys back.
    let back = try self.rotation(
      to: writeKey, administrators: administrators, slot: 2, entry: [], by: administrators[2])
    #expect(try await server.call(.rotate(handle: handle, slot: 2, rotation: back)) == .refused)
  }

  @Test func `a rotation holds for one log, one slot and one entry`() async throws {
    try await createLog()
    let newKey = Permission.random(using: server.random)
    let entry = server.frame()
    let admin = administrators[0]
    let good = try rotation(to: newKey, administrators: [admin], slot: 0, entry: entry, by: admin)
    #expect(try await append(slot: 0, entry: server.frame(), rotation: good) == .refused)
    #expect(try await server.call(.rotate(handle: handle, slot: 0, rotation: good)) == .refused)
    let otherHandle = try rotation(
      to: newKey, administrators: [admin], slot: 0, entry: entry, by: admin, handle: .random(using: server.random))
    #expect(try await append(slot: 0, entry: entry, rotation: otherHandle) == .refused)
    let otherSlot = try rotation(to: newKey, administrators: [admin], slot: 1, entry: entry, by: admin)
    #expect(try await append(slot: 0, entry: entry, rotation: otherSlot) == .refused)
    var changed = good
    changed.writeKeyHash = .random(using: server.random)
    #expect(try await append(slot: 0, entry: entry, rotation: changed) == .refused)
    changed = good
    changed.administratorKeys = publicKeys(administrators)
    #expect(try await append(slot: 0, entry: entry, rotation: changed) == .refused)
    changed = good
    changed.signer = PublicKey32(trusted: administrators[1].publicKey)
    #expect(try await append(slot: 0, entry: entry, rotation: changed) == .refused)
    let stranger = SignatureAlgorithm.ed25519.generateKey(using: server.random)
    let foreign = try rotation(to: newKey, administrators: [stranger], slot: 0, entry: entry, by: stranger)
    #expect(try await append(slot: 0, entry: entry, rotation: foreign) == .refused)
    // Nothing of this has taken the slot or changed a key.
    #expect(try await append(slot: 0, entry: entry, rotation: good) == .appended([]))
    #expect(try await append(slot: 1, writeKey: newKey) == .appended([]))
  }

  @Test func `garbage from who may write changes no key`() async throws {
    try await createLog()
    for slot in UInt64(0)..<3 { #expect(try await append(slot: slot) == .appended([])) }
    let newKey = Permission.random(using: server.random)
    let rotation = try rotation(to: newKey, administrators: administrators, slot: 3, entry: [], by: administrators[1])
    #expect(try await server.call(.rotate(handle: handle, slot: 3, rotation: rotation)) == .rotated)
    #expect(try await append(slot: 3) == .refused)
    #expect(try await append(slot: 3, writeKey: newKey) == .appended([]))
  }

  @Test func `an old rotation that is sent again at its slot does not bring its keys back`() async throws {
    try await createLog()
    let keys = [Permission.random(using: server.random), Permission.random(using: server.random)]
    let first = try rotation(to: keys[0], administrators: administrators, slot: 0, entry: [], by: administrators[0])
    let second = try rotation(to: keys[1], administrators: administrators, slot: 0, entry: [], by: administrators[1])
    for rotation in [first, second, first] {
      #expect(try await server.call(.rotate(handle: handle, slot: 0, rotation: rotation)) == .rotated)
    }
    #expect(try await append(slot: 0, writeKey: keys[0]) == .refused)
    #expect(try await append(slot: 0, writeKey: keys[1]) == .appended([]))
    #expect(try await server.call(.rotate(handle: handle, slot: 0, rotation: first)) == .conflict(nextSlot: 1))
  }

  @Test func `a long log is read in several answers that fit a call`() async throws {
    try await createLog()
    let large = { [server] in server.random.bytes(Limits.frameByteCount) }
    for slot in UInt64(0)..<6 { #expect(try await append(slot: slot, entry: large()) == .appended([])) }
    var read: [UInt64] = []
    while read.count < 6 {
      let request = Request.readLog(handle: handle, from: UInt64(read.count))
      guard case .reply(let bytes) = await server.engine.call(request.encoded) else { throw FixtureError.malformed }
      #expect(bytes.count <= Limits.callByteCount)
      guard case .entries(0, 6, let entries) = try Answer(decoding: bytes) else { throw FixtureError.unexpectedAnswer }
      #expect(!entries.isEmpty)
      read += entries.map(\.slot)
    }
    #expect(read == Array(0..<6))
  }
}
