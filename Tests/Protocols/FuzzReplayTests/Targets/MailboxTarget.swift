import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import WireFormat

/// A server in memory with one mailbox and one log, whose keys the seeds know; steps call it and speak on its streams.
enum MailboxTarget {
  enum Step: UInt8, CaseIterable {
    /// An encoded request, sent twice.
    case call
    /// A stream is opened, and its owner proves to be one.
    case attach
    /// A stream is opened, and nothing proved.
    case open
    /// A stream message.
    case receive
    /// Acknowledges the last envelope.
    case acknowledge
    /// An encoded `Rotation` and its slot, signed as an administrator would.
    case rotate
    /// Days pass.
    case expire
  }

  static func check(_ input: [UInt8]) throws(BrokenProperty) {
    let executor = InlineExecutor()
    let outcome = try executor.run { () async -> Result<Void, BrokenProperty> in
      do throws(BrokenProperty) {
        return .success(try await run(input))
      } catch {
        return .failure(error)
      }
    }
    try outcome.get()
  }

  private static func run(_ input: [UInt8]) async throws(BrokenProperty) {
    guard let keys = try? Keys() else { throw BrokenProperty("a fixed key is refused") }
    var server = try await Server(keys)
    for (step, bytes) in Steps.read(input, of: Step.self) {
      switch step {
      case .call: try await server.call(bytes)
      case .attach: try await server.attach()
      case .open: try await server.open()
      case .receive: try await server.receive(bytes)
      case .acknowledge: try await server.acknowledge()
      case .rotate: try await server.rotate(bytes)
      case .expire: await server.expire(days: bytes.first ?? 1)
      }
    }
  }

  /// What the seeds and the server agree on.
  struct Keys {
    let random = SeededRandom(seed: 2)
    let identity: SigningKey
    let owner: SigningKey
    let administrator: SigningKey
    let seal: HPKEKeyPair
    let sealKey: PublicKey32
    let ownerKey: PublicKey32
    let administratorKey: PublicKey32
    let mailbox: MailboxID
    let deliveryKey: Permission
    let handle: HandleID
    let writeKey: Permission
    let capability: Permission
    let entry: Token
    let token: Token
    let voucher: Permission

    init() throws {
      identity = try SigningKey(.ed25519, privateKey: Secret(random.bytes(32)))
      owner = try SigningKey(.ed25519, privateKey: Secret(random.bytes(32)))
      administrator = try SigningKey(.ed25519, privateKey: Secret(random.bytes(32)))
      seal = try FirstContact.suite.deriveKeyPair(ikm: Secret(random.bytes(32)))
      guard let sealKey = PublicKey32(seal.publicKey), let ownerKey = PublicKey32(owner.publicKey),
        let administratorKey = PublicKey32(administrator.publicKey)
      else { throw BrokenProperty("a key has another size") }
      self.sealKey = sealKey
      self.ownerKey = ownerKey
      self.administratorKey = administratorKey
      mailbox = .random(using: random)
      deliveryKey = .random(using: random)
      handle = .random(using: random)
      writeKey = .random(using: random)
      capability = .random(using: random)
      entry = try TestIssuer.token(.entry, using: random)
      token = try TestIssuer.token(.common, using: random)
      // The first voucher that the engine makes of its own source.
      voucher = .random(using: SeededRandom(seed: 3))
    }
  }
}

// MARK: - Seeds

extension MailboxTarget {
  static func makeSeeds() throws -> [(name: String, bytes: [UInt8])] {
    let keys = try Keys()
    let random = SeededRandom(seed: 4)
    func step(_ step: Step, _ bytes: [UInt8] = []) -> [UInt8] { Steps.write(step, bytes) }
    let frame = try WrapKey(Secret(random.bytes(32))).seal([1], random: random).bytes
    let to = [Recipient(mailbox: keys.mailbox, deliveryKey: keys.deliveryKey)]
    let strangers = [Recipient(mailbox: .random(using: random), deliveryKey: keys.deliveryKey)]
    let send = Request.send(id: .random(using: random), frame: frame, recipients: to + strangers)
    func append(_ slot: UInt64, _ rotation: Rotation? = nil) -> Request {
      .append(
        LogAppend(
          handle: keys.handle, slot: slot, writeKey: keys.writeKey, entry: frame, rotation: rotation, groupInfo: frame, recipients: to))
    }
    let rotation = try Rotation(
      handle: keys.handle, slot: 0, writeKeyHash: keys.writeKey.hash, administratorKeys: [keys.administratorKey], entry: frame,
      signer: keys.administrator)
    var rotate = ByteWriter()
    rotate.write(UInt64(0))
    rotation.encode(into: &rotate)
    let register = Request.register(
      token: keys.entry, mailbox: .random(using: random), ownerKey: keys.ownerKey, sealKey: keys.sealKey)
    let create = Request.createLog(
      token: keys.token, handle: .random(using: random), writeKeyHash: keys.writeKey.hash, administratorKeys: [keys.administratorKey])
    let publish = OwnerMessage.publish(id: 1, capabilityHash: keys.capability.hash, days: 3, blobs: [[1, 2], [3]])
    let hashes = [keys.deliveryKey.hash] + (0..<15).map { _ in KeyHash.random(using: random) }
    let issuerKey = try TestIssuer.publicKeys().hash
    let redeem = Request.redeem(voucher: keys.voucher, issuerKey: issuerKey, blinded: [BlindNumber(trusted: [0] + random.bytes(255))])
    let issue = OwnerMessage.issue(id: 4, issuerKey: issuerKey, blinded: [BlindNumber(trusted: [1] + random.bytes(255))])
    let object: [ObjectRequest] = [
      .create(writeKey: keys.writeKey, byteCount: 3, days: 2, tokens: [keys.token]),
      .write(writeKey: keys.writeKey, offset: 0, bytes: [1, 2, 3]),
      .state(writeKey: keys.writeKey), .finish(writeKey: keys.writeKey), .read(keys.writeKey.objectID, offset: 1, count: 9),
      .delete(writeKey: keys.writeKey),
    ]
    return [
      ("redeem", step(.call, redeem.encoded)), ("issue", step(.attach) + step(.receive, issue.encoded)),
      ("register", step(.call, register.encoded)), ("create-log", step(.call, create.encoded)),
      ("send", step(.call, send.encoded) + step(.attach) + step(.acknowledge)),
      ("attached-send", step(.attach) + step(.call, send.encoded) + step(.receive, OwnerMessage.vouchers(id: 1, count: 2).encoded)),
      ("append", step(.call, append(0).encoded) + step(.call, Request.readLog(handle: keys.handle, from: 0).encoded)),
      ("append-rotating", step(.call, append(0, rotation).encoded) + step(.call, append(1).encoded)),
      ("rotate", step(.rotate, rotate.bytes) + step(.call, append(0).encoded) + step(.call, append(5).encoded)),
      ("group-info", step(.call, append(0).encoded) + step(.call, Request.groupInfo(handle: keys.handle).encoded)),
      (
        "publish",
        step(.attach) + step(.receive, publish.encoded)
          + step(.call, Request.claim(capability: keys.capability, id: ClaimID(trusted: Array(keys.capability.bytes.prefix(16)))).encoded)
      ),
      (
        "withdraw",
        step(.attach) + step(.receive, publish.encoded)
          + step(.receive, OwnerMessage.withdraw(id: 2, capabilityHash: keys.capability.hash).encoded)
      ),
      ("delivery", step(.attach) + step(.receive, OwnerMessage.delivery(id: 1, keyHashes: hashes).encoded) + step(.call, send.encoded)),
      ("expire", step(.call, send.encoded) + step(.expire, [40]) + step(.attach)),
      ("object", object.flatMap { step(.call, Request.object($0).encoded) }),
      ("unproved", step(.open) + step(.receive, publish.encoded)),
    ]
  }
}
