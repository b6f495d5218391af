import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import WireFormat

extension MailboxTarget {
  /// The engine under test, one open stream, and what every answer must be like.
  struct Server {
    private let keys: Keys
    private let serverKey: PublicKey32
    let engine: MailboxEngine
    private let clock = ManualClock()
    private var session: OwnerSession?
    private var nonce: [UInt8] = []
    private var cursor: [UInt8] = []

    init(_ keys: Keys) async throws(BrokenProperty) {
      self.keys = keys
      let random = SeededRandom(seed: 3)
      guard let secrets = try? ServerSecrets(identityKey: keys.identity, root: Secret([UInt8](repeating: 6, count: 32))) else {
        throw BrokenProperty("a fixed secret is refused")
      }
      serverKey = secrets.identity.publicKey
      guard let issuer = try? TestIssuer.make(), let entry = try? TestIssuer.token(.entry, using: random),
        let token = try? TestIssuer.token(.common, using: random)
      else { throw BrokenProperty("the fixed issuer is refused") }
      engine = MailboxEngine(
        store: InMemoryMailboxStore(), objects: InMemoryObjectStore(quota: 1 << 20), secrets: secrets, issuer: issuer, clock: clock,
        random: SeededRandom(seed: 3))
      let vouchers = (try? await engine.makeVouchers(1)) ?? []
      try BrokenProperty.unless(vouchers == [keys.voucher], "vouchers are others than the seeds'")
      let register = Request.register(token: entry, mailbox: keys.mailbox, ownerKey: keys.ownerKey, sealKey: keys.sealKey)
      let create = Request.createLog(
        token: token, handle: keys.handle, writeKeyHash: keys.writeKey.hash, administratorKeys: [keys.administratorKey])
      try BrokenProperty.unless(await engine.call(register.encoded) == .reply(Answer.registered.encoded), "nobody can register")
      try BrokenProperty.unless(await engine.call(create.encoded) == .reply(Answer.created.encoded), "no log can be made")
      try await attach()
      let hashes = [KeyHash](repeating: keys.deliveryKey.hash, count: Limits.deliveryKeyPadding)
      try await receive(OwnerMessage.delivery(id: 0, keyHashes: hashes).encoded)
      await session?.closed()
      session = nil
    }

    // MARK: Calls

    /// Every request may be repeated: the second answer says that the first has happened, and no more.
    func call(_ bytes: [UInt8]) async throws(BrokenProperty) {
      let request = try? Request(decoding: bytes)
      let outcome = await engine.call(bytes)
      let again = await engine.call(bytes)
      guard let request else {
        return try BrokenProperty.unless(outcome == .malformed && again == .malformed, "what is no request is answered")
      }
      let first = try answer(outcome)
      let second = try answer(again)
      switch (request, first, second) {
      case (.register, .registered, .registered), (.createLog, .created, .created), (.rotate, .rotated, .rotated),
        (.append, .appended, .duplicate), (.append, .duplicate, .duplicate), (.readLog, .entries, .entries),
        (.groupInfo, .groupInfo, .groupInfo), (_, .refused, .refused), (.append, .logFull, .logFull),
        (.register, .tokenRefused, .tokenRefused), (.createLog, .tokenRefused, .tokenRefused), (.redeem, .issuerUnknown, .issuerUnknown):
        break
      case (.object, .object, .object), (.object, .objectBytes, .objectBytes), (.object, .overQuota, .overQuota),
        (.object, .tokenRefused, .tokenRefused), (.object(.delete), .objectDeleted, .refused):
        break
      case (.append, .conflict(let slot), .conflict(let same)), (.rotate, .conflict(let slot), .conflict(let same)):
        try BrokenProperty.unless(slot == same, "a conflict moves a log on")
      case (.redeem(_, _, let blinded), .redeemed(let signatures), .redeemed(let same)):
        try BrokenProperty.unless(signatures == same && signatures.count == blinded.count, "a voucher is used twice")
      case (.claim, .claimed(let blob), .claimed(let same)):
        try BrokenProperty.unless(blob == same, "a repeated claim takes another blob")
      case (.send(_, _, let recipients), .sent(let answers), .sent(let same)):
        try BrokenProperty.unless(answers.count == recipients.count, "not every recipient is answered for")
        try BrokenProperty.unless(answers == same, "a repeated send has another answer")
      default: throw BrokenProperty("a request is answered by something else, or differently when repeated")
      }
      if case .append(let append) = request, case .appended(let answers) = first {
        try BrokenProperty.unless(answers.count == append.recipients.count, "not every recipient is answered for")
      }
    }

    func rotate(_ bytes: [UInt8]) async throws(BrokenProperty) {
      var reader = ByteReader(bytes.span)
      guard let slot = try? reader.readUInt64(), let asked = try? reader.read(Rotation.self),
        let rotation = try? Rotation(
          handle: keys.handle, slot: slot, writeKeyHash: asked.writeKeyHash, administratorKeys: asked.administratorKeys, entry: [],
          signer: keys.administrator)
      else { return }
      try await call(Request.rotate(handle: keys.handle, slot: slot, rotation: rotation).encoded)
    }

    private func answer(_ outcome: CallOutcome) throws(BrokenProperty) -> Answer {
      guard case .reply(let bytes) = outcome, let answer = try? Answer(decoding: bytes) else {
        throw BrokenProperty("a request has no answer, or one that nobody can read")
      }
      try BrokenProperty.unless(bytes.count <= Limits.callByteCount, "an answer is too long")
      try BrokenProperty.unless(answer != .busy, "a store that never fails is busy")
      return answer
    }

    // MARK: Streams

    mutating func open() async throws(BrokenProperty) {
      await session?.closed()
      let opened = engine.openSession()
      session = opened
      try take(await opened.start {})
    }

    mutating func attach() async throws(BrokenProperty) {
      try await open()
      let content = OwnerMessage.attachContent(serverKey: serverKey, nonce: nonce, mailbox: keys.mailbox)
      guard let bytes = try? keys.owner.sign(content), let signature = Signature64(bytes) else { throw BrokenProperty("nobody can sign") }
      try await receive(OwnerMessage.attach(mailbox: keys.mailbox, signature: signature).encoded)
    }

    mutating func receive(_ bytes: [UInt8]) async throws(BrokenProperty) {
      guard let session else { return }
      try take(await session.receive(bytes))
      try take(await session.wake())
    }

    mutating func acknowledge() async throws(BrokenProperty) {
      guard !cursor.isEmpty else { return }
      try await receive(OwnerMessage.acknowledge(cursor: cursor).encoded)
    }

    func expire(days: UInt8) async {
      clock.advance(days: UInt64(days))
      _ = try? await engine.expire()
    }

    /// Whatever the server says can be read, and every envelope opened by the owner.
    private mutating func take(_ outputs: [SessionOutput]) throws(BrokenProperty) {
      for (index, output) in outputs.enumerated() {
        switch output {
        case .proved: break
        case .close: try BrokenProperty.unless(index == outputs.count - 1, "something is said after the end")
        case .send(let bytes):
          try BrokenProperty.unless(bytes.count <= Limits.streamMessageByteCount, "a stream message is too long")
          guard let message = try? ServerMessage(decoding: bytes) else { throw BrokenProperty("a stream message cannot be read") }
          switch message {
          case .hello(_, let nonce): self.nonce = nonce
          case .envelope(let cursor, let sealed):
            self.cursor = cursor
            guard (try? Envelope(opening: sealed, with: keys.seal, mailbox: keys.mailbox)) != nil else {
              throw BrokenProperty("an envelope cannot be opened")
            }
          default: break
          }
        }
      }
    }
  }
}
