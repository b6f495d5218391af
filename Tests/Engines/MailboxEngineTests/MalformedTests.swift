import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing
import WireFormat

@Suite struct MalformedTests {
  private let server: EngineFixture
  private let requests: [Request]
  private let messages: [OwnerMessage]

  init() throws {
    server = try EngineFixture(store: InMemoryMailboxStore())
    let random = server.random
    let admin = SignatureAlgorithm.ed25519.generateKey(using: random)
    let handle = HandleID.random(using: random)
    let key = Permission.random(using: random)
    let keys = [PublicKey32(trusted: admin.publicKey)]
    let recipients = [Recipient(mailbox: .random(using: random), deliveryKey: key)]
    let frame = random.bytes(Limits.smallestFrameByteCount)
    let rotation = try Rotation(
      handle: handle, slot: 0, writeKeyHash: key.hash, administratorKeys: keys, entry: frame, signer: admin)
    requests = [
      TestMailbox(random: random).registration(token: try server.entryToken()),
      .send(id: .random(using: random), frame: frame, recipients: recipients),
      .createLog(token: try server.token(), handle: handle, writeKeyHash: key.hash, administratorKeys: keys),
      .append(
        LogAppend(
          handle: handle, slot: 0, writeKey: key, entry: frame, rotation: rotation, groupInfo: frame, recipients: recipients)),
      .readLog(handle: handle, from: 0), .groupInfo(handle: handle), .claim(capability: key, id: .random(using: random)),
      .rotate(handle: handle, slot: 0, rotation: rotation),
      .redeem(voucher: key, issuerKey: try TestIssuer.publicKeys().hash, blinded: [.random(using: random)]),
    ]
    messages = [
      .acknowledge(cursor: random.bytes(36)), .delivery(id: 1, keyHashes: (0..<16).map { _ in .random(using: random) }),
      .publish(id: 2, capabilityHash: key.hash, days: 3, blobs: [random.bytes(40)]),
      .withdraw(id: 3, capabilityHash: key.hash), .vouchers(id: 4, count: 2),
      .issue(id: 5, issuerKey: try TestIssuer.publicKeys().hash, blinded: [.random(using: random), .random(using: random)]),
      .attach(mailbox: .random(using: random), signature: .random(using: random)),
    ]
  }

  @Test func `every request that is cut short or goes on is malformed`() async throws {
    for request in requests {
      let bytes = request.encoded
      for count in 0..<bytes.count {
        #expect(await server.engine.call(Array(bytes.prefix(count))) == .malformed)
      }
      #expect(await server.engine.call(bytes + [0]) == .malformed)
      #expect(await server.engine.call(bytes) != .malformed)
    }
    #expect(await server.engine.call([UInt8](repeating: 1, count: Limits.callByteCount + 1)) == .malformed)
  }

  @Test func `every request with one byte changed is answered or malformed, and never a trap`() async throws {
    for request in requests {
      let bytes = request.encoded
      for index in bytes.indices {
        var changed = bytes
        changed[index] ^= UInt8(1 + (index * 37) % 255)
        if case .reply(let answer) = await server.engine.call(changed) { _ = try Answer(decoding: answer) }
      }
    }
  }

  @Test func `every stream message that is cut or changed is obeyed or ends the stream, and never a trap`() async throws {
    let mailbox = try await server.makeMailbox()
    for message in messages {
      let bytes = message.encoded
      for index in bytes.indices {
        var changed = bytes
        changed[index] ^= UInt8(1 + (index * 53) % 255)
        for variant in [changed, Array(bytes.prefix(index))] {
          let stream = try await server.attach(mailbox)
          try await stream.send(variant)
          if await stream.isClosed { #expect(await stream.isMalformed) }
          await stream.close()
        }
      }
    }
  }

  @Test func `random bytes are malformed or answered`() async throws {
    let seed = UInt64.random(in: .min ... .max)
    let random = SeededRandom(seed: seed)
    for round in 0..<3_000 {
      var bytes = random.bytes(round % 300)
      if !bytes.isEmpty { bytes[0] %= 10 }
      if case .reply(let answer) = await server.engine.call(bytes) {
        #expect(throws: Never.self, "seed \(seed)") { try Answer(decoding: answer) }
      }
    }
  }
}
