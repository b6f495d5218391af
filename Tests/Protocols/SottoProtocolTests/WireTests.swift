import CryptoSuite
import SottoProtocol
import Testing
import WireFormat

/// Every structure that a stranger can send, read back whole, cut, prolonged and changed.
@Suite struct WireTests {
  let random = SeededRandom(seed: 7)
  var frame: [UInt8] { random.bytes(512) }
  func recipients(_ count: Int) -> [Recipient] {
    (0..<count).map { _ in Recipient(mailbox: .random(using: random), deliveryKey: .random(using: random)) }
  }
  var rotation: Rotation {
    Rotation(
      writeKeyHash: .random(using: random), administratorKeys: [.random(using: random)], signer: .random(using: random),
      signature: .random(using: random))
  }

  /// A good value reads back; every truncation and one byte more are refused; changed bytes never trap.
  var token: Token { Token(id: .random(using: random), signature: .random(using: random)) }

  func check<Value: WireCodable & Equatable>(_ value: Value, _ location: SourceLocation = #_sourceLocation) throws {
    let bytes = value.encoded
    #expect(try Value(decoding: bytes) == value, sourceLocation: location)
    for count in 0..<bytes.count { #expect((try? Value(decoding: Array(bytes.prefix(count)))) == nil, sourceLocation: location) }
    #expect((try? Value(decoding: bytes + [0])) == nil, sourceLocation: location)
    for index in bytes.indices {
      for mask: UInt8 in [1, 0x80, 0xFF] {
        var changed = bytes
        changed[index] ^= mask
        if let other = try? Value(decoding: changed) { #expect(other.encoded == changed, sourceLocation: location) }
      }
    }
  }

  @Test func `requests`() throws {
    try check(
      Request.register(
        token: token, mailbox: .random(using: random), ownerKey: .random(using: random), sealKey: .random(using: random)))
    try check(Request.send(id: .random(using: random), frame: frame, recipients: recipients(3)))
    try check(
      Request.createLog(
        token: token, handle: .random(using: random), writeKeyHash: .random(using: random), administratorKeys: [.random(using: random)]))
    let append = LogAppend(
      handle: .random(using: random), slot: 7, writeKey: .random(using: random), entry: frame, rotation: rotation, groupInfo: frame,
      recipients: recipients(2))
    try check(Request.append(append))
    try check(Request.readLog(handle: .random(using: random), from: 9))
    try check(Request.groupInfo(handle: .random(using: random)))
    try check(Request.claim(capability: .random(using: random), id: .random(using: random)))
    try check(Request.rotate(handle: .random(using: random), slot: 3, rotation: rotation))
    try check(Request.redeem(voucher: .random(using: random), issuerKey: .random(using: random), blinded: [.random(using: random)]))
  }

  @Test func `answers`() throws {
    for answer: Answer in [
      .registered, .refused, .sent([.accepted, .refused, .full]), .created, .appended([.accepted]), .duplicate, .conflict(nextSlot: 4),
      .entries(firstSlot: 0, nextSlot: 2, [LogEntry(slot: 1, frame: frame)]), .groupInfo(frame), .claimed([1, 2]), .rotated, .busy,
      .redeemed([.random(using: random), .random(using: random)]), .tokenRefused, .issuerUnknown, .logFull, .noRoom(retrySeconds: 120),
    ] { try check(answer) }
  }

  @Test func `stream messages`() throws {
    for message: OwnerMessage in [
      .attach(mailbox: .random(using: random), signature: .random(using: random)), .acknowledge(cursor: [1, 2, 3]),
      .delivery(id: 1, keyHashes: [.random(using: random)]),
      .publish(id: 2, capabilityHash: .random(using: random), days: 30, blobs: [[1], [2, 3]]),
      .withdraw(id: 3, capabilityHash: .random(using: random)), .vouchers(id: 4, count: 2),
      .issue(id: 5, issuerKey: .random(using: random), blinded: [.random(using: random)]),
    ] { try check(message) }
    for message: ServerMessage in [
      .hello(serverKey: .random(using: random), nonce: random.bytes(32)), .attached, .refused, .envelope(cursor: [1], sealed: [2, 3]),
      .drained,
      .done(id: 1, outcome: .done), .vouchers(id: 2, [.random(using: random)]),
      .issued(id: 3, [.random(using: random)]), .done(id: 4, outcome: .issuerUnknown),
    ] { try check(message) }
  }

  @Test func `contents`() throws {
    let server = try #require(ServerAddress(host: "example.org", port: 443, serverKey: .random(using: random)))
    let bundle = ContactBundle(keyPackage: [1, 2, 3], contactKey: .random(using: random))
    for body: ContentBody in [
      .text("hallo"), .profile(name: "Ada"),
      .groupInvitation(GroupInvitation(id: .random(using: random), title: "team", server: server, voucher: .random(using: random))),
      .consent(Consent(id: .random(using: random), seed: random.bytes(32), bundle: bundle)), .refusal(group: .random(using: random)),
      .leave,
      .unknown(type: 900, critical: true, fallback: "a poll", payload: [1]),
    ] {
      let content = Content(
        id: .random(using: random), sequence: 3, sentAt: 12, heads: [Head(device: .random(using: random), sequence: 2)],
        epochAuthenticator: random.bytes(48), body: body)
      #expect(try Content(decoding: content.encoded) == content)
      #expect((try? Content(decoding: content.encoded + [0])) == nil)
      for count in 0..<content.encoded.count { #expect((try? Content(decoding: Array(content.encoded.prefix(count)))) == nil) }
    }
  }

  @Test func `what goes to one device only has no number, everything else has one`() throws {
    func content(_ sequence: UInt64, _ body: ContentBody) -> [UInt8] {
      Content(id: .random(using: random), sequence: sequence, sentAt: 0, heads: [], epochAuthenticator: [], body: body).encoded
    }
    #expect((try? Content(decoding: content(0, .text("x")))) == nil)
    #expect((try? Content(decoding: content(1, .resendRequest([1])))) == nil)
    #expect((try? Content(decoding: content(0, .resendRequest([1])))) != nil)
  }

  @Test func `text that is not UTF-8 is refused, and a known type has no fallback`() throws {
    func content(_ type: UInt8, critical: UInt8 = 0, fallback: [UInt8] = [], _ payload: [UInt8]) -> [UInt8] {
      var bytes = Content(
        id: .random(using: random), sequence: 1, sentAt: 0, heads: [], epochAuthenticator: [], body: .leave
      ).encoded
      bytes.removeLast(5)
      return bytes + [0, type, critical, UInt8(fallback.count)] + fallback + [UInt8(payload.count)] + payload
    }
    #expect((try? Content(decoding: content(1, [0x61])))?.body == .text("a"))
    #expect((try? Content(decoding: content(1, [0xFF]))) == nil)
    #expect((try? Content(decoding: content(16, [1, 0xC0]))) == nil)
    #expect((try? Content(decoding: content(1, critical: 1, [0x61]))) == nil)
    #expect((try? Content(decoding: content(1, fallback: [0x61], [0x61]))) == nil)
    #expect((try? Content(decoding: content(99, fallback: [0xFF], []))) == nil)
    #expect((try? MemberName(decoding: [1, 0xFF])) == nil)
  }

  @Test func `a conversation's context names nobody twice`() throws {
    let server = try #require(ServerAddress(host: "example.org", port: 443, serverKey: .random(using: random)))
    let ada = IdentityID.random(using: random)
    var context = ConversationContext(
      kind: .group, server: server, handle: .random(using: random), title: "team", roles: [.init(identity: ada, role: .owner)])
    #expect(try ConversationContext(decoding: context.encoded) == context)
    #expect(context.role(of: ada) == .owner)
    #expect(context.role(of: .random(using: random)) == .member)
    #expect(context.leastRole(forProposal: 3) == .administrator)
    #expect(context.leastRole(forProposal: 5) == nil)
    context.roles.append(.init(identity: ada, role: .member))
    #expect((try? ConversationContext(decoding: context.encoded)) == nil)
  }

  @Test func `frames of forbidden sizes and too many recipients are refused before anything is kept`() {
    #expect((try? Request(decoding: Request.send(id: .random(using: random), frame: [1, 2], recipients: []).encoded)) == nil)
    let tooMany = Request.send(id: .random(using: random), frame: frame, recipients: recipients(1_025)).encoded
    #expect((try? Request(decoding: tooMany)) == nil)
    for count in [0, Limits.tokensPerVoucher + 1] {
      let numbers = (0..<count).map { _ in BlindNumber.random(using: random) }
      let redeem = Request.redeem(voucher: .random(using: random), issuerKey: .random(using: random), blinded: numbers)
      #expect((try? Request(decoding: redeem.encoded)) == nil)
      #expect((try? Answer(decoding: Answer.redeemed(numbers).encoded)) == nil)
    }
    let none = Request.createLog(token: token, handle: .random(using: random), writeKeyHash: .random(using: random), administratorKeys: [])
    #expect((try? Request(decoding: none.encoded)) == nil)
  }

  @Test func `a slot, sequence or generation near the end of its type is refused before anybody counts on from it`() {
    for value: UInt64 in [Limits.counterBound, .max - 1, .max] {
      #expect((try? Answer(decoding: Answer.conflict(nextSlot: value).encoded)) == nil)
      #expect((try? Answer(decoding: Answer.entries(firstSlot: value, nextSlot: 1, []).encoded)) == nil)
      #expect((try? Answer(decoding: Answer.entries(firstSlot: 0, nextSlot: 1, [LogEntry(slot: value, frame: frame)]).encoded)) == nil)
      #expect((try? Request(decoding: Request.readLog(handle: .random(using: random), from: value).encoded)) == nil)
      #expect((try? Envelope(decoding: Envelope(source: .log(slot: value), frame: frame).encoded)) == nil)
      #expect((try? Head(decoding: Head(device: .random(using: random), sequence: value).encoded)) == nil)
      let content = Content(id: .random(using: random), sequence: value, sentAt: 0, heads: [], epochAuthenticator: [], body: .text("x"))
      #expect((try? Content(decoding: content.encoded)) == nil)
      for (generation, slot) in [(value, UInt64(0)), (0, value)] {
        let keys = ConversationKeys(
          generation: generation, nextSlot: slot, wrapKey: Secret(random.bytes(32)), writeKey: .random(using: random))
        #expect((try? ConversationKeys(decoding: keys.encoded)) == nil)
      }
    }
  }

  @Test func `a rotation counts only from an administrator, for its handle, slot and entry`() throws {
    let signer = SignatureAlgorithm.ed25519.generateKey(using: random)
    let administrators = [try #require(PublicKey32(signer.publicKey))]
    let handle = HandleID.random(using: random)
    let entry: [UInt8] = [1, 2, 3]
    let signed = try Rotation(
      handle: handle, slot: 3, writeKeyHash: .random(using: random), administratorKeys: administrators, entry: entry, signer: signer)
    #expect(signed.isAuthorised(by: administrators, handle: handle, slot: 3, entry: entry))
    #expect(!signed.isAuthorised(by: [.random(using: random)], handle: handle, slot: 3, entry: entry))
    #expect(!signed.isAuthorised(by: administrators, handle: .random(using: random), slot: 3, entry: entry))
    #expect(!signed.isAuthorised(by: administrators, handle: handle, slot: 4, entry: entry))
    #expect(!signed.isAuthorised(by: administrators, handle: handle, slot: 3, entry: [1, 2]))
    var changed = signed
    changed.writeKeyHash = .random(using: random)
    #expect(!changed.isAuthorised(by: administrators, handle: handle, slot: 3, entry: entry))
  }
}
