import CryptoSuite
import WireFormat

@testable import SottoProtocol

extension Structure {
  /// Append only: an input names a structure by its place.
  static let sotto: [Structure] = [
    .wire(Request.self), .wire(Answer.self), .wire(OwnerMessage.self), .wire(ServerMessage.self), .wire(Envelope.self),
    content, .wire(DeviceLogEntry.self), .wire(ConversationContext.self), .wire(ConversationKeys.self),
    .wire(DeliveryCapability.self), .wire(MemberName.self), .wire(ContactBundle.self), .wire(ServerAddress.self),
    .wire(GroupInvitation.self), .wire(Consent.self), frame, padding, deviceLog, statement, registrationLink,
    invitationLink, recoveryKey, base64, .wire(Attachment.self), .wire(ObjectState.self), .wire(Token.self), segment, proof, nonce, receipt,
    report,
  ]

  /// A file has a line for programs that do not know files, in which its sender may have written anything.
  private static let content = Structure("Content") { (bytes) throws(BrokenProperty) -> Bool in
    guard let content = try? Content(decoding: bytes) else { return false }
    if case .attachment = content.body {
      try BrokenProperty.unless((try? Content(decoding: content.encoded)) == content, "a file is not read as it is written")
    } else {
      try BrokenProperty.unless(content.encoded == bytes, "a content has a second encoding")
    }
    return true
  }

  private static let frame = Structure("Frame") { (bytes) throws(BrokenProperty) -> Bool in
    guard let frame = try? Frame(bytes) else { return false }
    try BrokenProperty.unless(frame.bytes == bytes, "a frame has a second encoding")
    _ = try? wrapKey.open(frame)
    _ = try? FirstContact.open(frame, contactKey: contactKey, secrets: secrets)
    return true
  }

  /// What is inside a frame of a member: any plaintext under the right key.
  private static let padding = Structure("padded content") { (bytes) throws(BrokenProperty) -> Bool in
    guard let content = try? Frame.unpad(bytes) else { return false }
    try BrokenProperty.unless(content.count + 4 <= bytes.count, "content is longer than what holds it")
    guard let again = try? Frame.pad(content, overhead: 0) else { return true }
    try BrokenProperty.unless((try? Frame.unpad(again)) == content, "padding changes the content")
    return true
  }

  private static let deviceLog = Structure("DeviceLog") { (bytes) throws(BrokenProperty) -> Bool in
    guard let log = try? DeviceLog(verifying: bytes) else { return false }
    try BrokenProperty.unless(log.encoded == bytes, "a device log has a second encoding")
    try BrokenProperty.unless(log.extends(log), "a device log does not extend itself")
    try BrokenProperty.unless(DeviceLog.identity(ofVerified: bytes) == log.identity, "a device log has two identities")
    return true
  }

  /// Any content, signed with the server's key.
  private static let statement = Structure("IdentityStatement") { (bytes) throws(BrokenProperty) -> Bool in
    guard let signer = try? Structure.signer(), let key = PublicKey32(signer.publicKey),
      let signature = try? signer.sign(IdentityStatement.context + bytes)
    else { return false }
    let signed = bytes + signature
    guard let statement = try? IdentityStatement(verifying: signed, serverKey: key, now: 1, lastSequence: 0) else { return false }
    try BrokenProperty.unless(statement.encoded == signed, "a statement has a second encoding")
    try BrokenProperty.unless((1...Limits.statementKeyCount).contains(statement.keyHashes.count), "a statement names no key or too many")
    return true
  }

  private static let registrationLink = Structure("RegistrationLink") { (bytes) throws(BrokenProperty) -> Bool in
    guard let link = try? RegistrationLink(String(decoding: bytes, as: UTF8.self)) else { return false }
    try BrokenProperty.unless((try? RegistrationLink(link.text)) == link, "a link cannot be written")
    try BrokenProperty.unless((try? InvitationLink(link.text)) == nil, "a link is of two kinds")
    return true
  }

  private static let invitationLink = Structure("InvitationLink") { (bytes) throws(BrokenProperty) -> Bool in
    guard let link = try? InvitationLink(String(decoding: bytes, as: UTF8.self)) else { return false }
    try BrokenProperty.unless((try? InvitationLink(link.text))?.text == link.text, "a link cannot be written")
    return true
  }

  private static let recoveryKey = Structure("RecoveryKey") { (bytes) throws(BrokenProperty) -> Bool in
    guard let key = RecoveryKey(text: String(decoding: bytes, as: UTF8.self)) else { return false }
    let again = RecoveryKey(text: key.revealedText())
    try BrokenProperty.unless(again?.signingKey.publicKey == key.signingKey.publicKey, "a recovery key cannot be written down")
    return true
  }

  private static let base64 = Structure("Base64URL") { (bytes) throws(BrokenProperty) -> Bool in
    let text = String(decoding: bytes, as: UTF8.self)
    let decoded = Base64URL.decode(text)
    if let decoded {
      try BrokenProperty.unless(Base64URL.encode(decoded) == text, "a text is not the one that its bytes have")
    }
    try BrokenProperty.unless(Base64URL.decode(Base64URL.encode(bytes)) == bytes, "bytes are not read back")
    return decoded != nil
  }

  /// A segment of a file of any size, as a server gives it: what opens is what was sealed.
  private static let segment = Structure("attachment segment") { (bytes) throws(BrokenProperty) -> Bool in
    let number = bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard let layout = AttachmentLayout(contentByteCount: number >> 16) else { return false }
    let cipher = AttachmentCipher(key: Secret([UInt8](repeating: 5, count: 32)), layout: layout)
    try BrokenProperty.unless(layout.objectByteCount >= layout.contentByteCount, "an object is smaller than its file")
    let rest = Array(bytes.dropFirst(8))
    for segment in [number & 0xffff, layout.segmentCount - 1] {
      guard let content = try? cipher.open(rest, segment: segment) else { continue }
      try BrokenProperty.unless((try? cipher.seal(content, segment: segment)) == rest, "a segment has a second form")
    }
    return true
  }

  /// Any proof, signed with the server's key where the input does not say otherwise.
  private static let proof = Structure("IdentityProof") { (bytes) throws(BrokenProperty) -> Bool in
    guard let signer = try? Structure.signer(), let key = PublicKey32(signer.publicKey),
      let server = ServerAddress(host: "sotto.example", port: 443, serverKey: key),
      let asked = IdentityProof.Nonce(Base64URL.encode([UInt8](repeating: 7, count: 32)))
    else { return false }
    if let proof = try? IdentityProof(verifying: bytes, nonce: asked, server: server) {
      try BrokenProperty.unless(proof.encoded == bytes, "a proof has a second encoding")
    }
    guard let made = try? IdentityProof(signer: signer, statement: bytes, nonce: asked, host: server.host, port: server.port),
      let read = try? IdentityProof(verifying: made.encoded, nonce: asked, server: server)
    else { return false }
    try BrokenProperty.unless(read.statement == bytes, "a proof carries another statement")
    _ = try? IdentityStatement(verifying: read.statement, serverKey: key, now: 1, lastSequence: 0)
    return true
  }

  private static let nonce = Structure("IdentityProof.Nonce") { (bytes) throws(BrokenProperty) -> Bool in
    let text = String(decoding: bytes, as: UTF8.self)
    guard let nonce = IdentityProof.Nonce(text) else { return false }
    try BrokenProperty.unless(nonce.text == text, "a nonce has a second form")
    return true
  }

  private static let receipt = Structure("ReportReceipt") { (bytes) throws(BrokenProperty) -> Bool in
    guard let signer = try? Structure.signer(), let key = PublicKey32(signer.publicKey),
      let receipt = try? ReportReceipt(verifying: bytes, report: [1, 2, 3], serverKey: key)
    else { return false }
    try BrokenProperty.unless(receipt.encoded == bytes, "a receipt has a second encoding")
    return true
  }

  /// What lies in the box of reports: sealed by whoever could write there, and any report that a stranger sends.
  private static let report = Structure("SealedReport") { (bytes) throws(BrokenProperty) -> Bool in
    guard let key = try? SealedReport.key(Secret([UInt8](repeating: 6, count: 32))) else { return false }
    _ = try? SealedReport.open(bytes, with: key)
    guard !bytes.isEmpty, let sealed = try? SealedReport.seal(bytes, to: key.publicKey) else { return false }
    try BrokenProperty.unless((try? SealedReport.open(sealed, with: key)) == bytes, "a report is opened as another one")
    return true
  }

  // MARK: Seeds

  private static let secrets = InvitationSecrets(seed: Secret([UInt8](repeating: 1, count: 32)))
  private static let wrapKey = WrapKey(Secret([UInt8](repeating: 2, count: 32)))
  private static let contactKey: HPKEKeyPair = {
    let ikm = Secret([UInt8](repeating: 4, count: 32))
    return (try? FirstContact.suite.deriveKeyPair(ikm: ikm)) ?? FirstContact.suite.generateKeyPair()
  }()

  static func sottoSeeds() throws -> [(name: String, bytes: [UInt8])] {
    let random = SeededRandom(seed: 1)
    func fixed<Value: FixedBytes>(_: Value.Type = Value.self) -> Value { Value.random(using: random) }
    let signer = try Structure.signer()
    guard let serverKey = PublicKey32(signer.publicKey), let contact = PublicKey32(contactKey.publicKey),
      let server = ServerAddress(host: "sotto.example", port: 443, serverKey: serverKey), let name = MemberName("Alice")
    else { throw BrokenProperty("a fixed value is refused") }
    let frame = try wrapKey.seal([1, 2, 3], random: random)
    let firstContact = try FirstContact.seal([1, 2, 3], to: contact, secrets: secrets, random: random)
    let recipient = Recipient(mailbox: fixed(), deliveryKey: fixed())
    let handle = fixed(HandleID.self)
    let rotation = try Rotation(
      handle: handle, slot: 1, writeKeyHash: fixed(), administratorKeys: [serverKey], entry: frame.bytes, signer: signer)
    let append = LogAppend(
      handle: handle, slot: 1, writeKey: fixed(), entry: frame.bytes, rotation: rotation, groupInfo: [], recipients: [recipient])
    let bundle = ContactBundle(keyPackage: [1, 2, 3], contactKey: contact)
    let invitation = GroupInvitation(id: fixed(), title: "Friends", server: server, voucher: fixed())
    let consent = Consent(id: fixed(), seed: random.bytes(32), bundle: bundle)
    let content = Content(
      id: fixed(), sequence: 3, sentAt: 4, heads: [Head(device: fixed(), sequence: 2)], epochAuthenticator: random.bytes(32),
      body: .text("Hello"))
    var other = content
    other.body = .unknown(type: 99, critical: true, fallback: "new", payload: [1, 2])
    var invited = content
    invited.body = .groupInvitation(invitation)
    var resend = content
    resend.sequence = 0
    resend.body = .resendRequest([1, 2, 3])
    let context = ConversationContext(
      kind: .group, server: server, handle: handle, title: "Friends",
      roles: [ConversationContext.Assignment(identity: fixed(), role: .owner)])
    let device = SignatureAlgorithm.ed25519.generateKey()
    let recovery = try RecoveryKey(random: random)
    var log = try DeviceLog(recoveryKey: recovery.signingKey, device: device, random: random)
    try log.addDevice(SignatureAlgorithm.ed25519.generateKey(), signer: device)
    let statement = try IdentityStatement(
      signer: signer, sequence: 1, notAfter: 9, keyHashes: [fixed(), fixed()], issuerKeys: [IssuerKeys(entry: fixed(), common: fixed())])
    let keys = ConversationKeys(generation: 1, nextSlot: 2, wrapKey: Secret(random.bytes(32)), writeKey: fixed())
    var padded = try Frame.pad([1, 2, 3], overhead: 0)
    padded.removeLast(480)
    let token = Token(id: fixed(), signature: fixed())
    guard let attachment = Attachment(object: fixed(), key: fixed(), byteCount: 5, hash: fixed(), name: "a.txt", mediaType: "text/plain"),
      let nonce = IdentityProof.Nonce(Base64URL.encode([UInt8](repeating: 7, count: 32))),
      let behindProxy = ServerAddress(host: "sotto.example", port: 443, serverKey: serverKey, trust: .webPKI)
    else { throw BrokenProperty("a fixed value is refused") }
    var attached = content
    attached.body = .attachment(attachment)
    let proof = try IdentityProof(signer: signer, statement: statement.encoded, nonce: nonce, host: server.host, port: server.port)
    let values: [(String, String, [UInt8])] = [
      ("Request", "Request-redeem", Request.redeem(voucher: fixed(), issuerKey: fixed(), blinded: [fixed()]).encoded),
      ("OwnerMessage", "OwnerMessage-issue", OwnerMessage.issue(id: 1, issuerKey: fixed(), blinded: [fixed()]).encoded),
      ("Request", "Request-register", Request.register(token: token, mailbox: fixed(), ownerKey: fixed(), sealKey: fixed()).encoded),
      ("Request", "Request-send", Request.send(id: fixed(), frame: frame.bytes, recipients: [recipient]).encoded),
      ("Request", "Request-append", Request.append(append).encoded),
      ("Request", "Request-rotate", Request.rotate(handle: handle, slot: 1, rotation: rotation).encoded),
      ("Answer", "Answer-sent", Answer.sent([.accepted, .refused, .full]).encoded),
      ("Answer", "Answer-claimed", Answer.claimed([1, 2, 3]).encoded),
      ("OwnerMessage", "OwnerMessage", OwnerMessage.publish(id: 1, capabilityHash: fixed(), days: 2, blobs: [[1], [2, 3]]).encoded),
      ("OwnerMessage", "OwnerMessage-attach", OwnerMessage.attach(mailbox: fixed(), signature: fixed()).encoded),
      ("ServerMessage", "ServerMessage", ServerMessage.envelope(cursor: [1, 2], sealed: [3, 4]).encoded),
      ("ServerMessage", "ServerMessage-vouchers", ServerMessage.vouchers(id: 1, [fixed(), fixed()]).encoded),
      ("Envelope", "Envelope", Envelope(source: .log(slot: 3), frame: frame.bytes).encoded),
      ("Content", "Content-text", content.encoded), ("Content", "Content-unknown", other.encoded),
      ("Content", "Content-invitation", invited.encoded), ("Content", "Content-resend", resend.encoded),
      ("DeviceLogEntry", "DeviceLogEntry", log.entries[0].encoded),
      ("ConversationContext", "ConversationContext", context.encoded), ("ConversationKeys", "ConversationKeys", keys.encoded),
      ("DeliveryCapability", "DeliveryCapability", DeliveryCapability(recipient: recipient, administratorKey: fixed()).encoded),
      ("MemberName", "MemberName", name.encoded), ("ContactBundle", "ContactBundle", bundle.encoded),
      ("ServerAddress", "ServerAddress", server.encoded), ("GroupInvitation", "GroupInvitation", invitation.encoded),
      ("Consent", "Consent", consent.encoded), ("Frame", "Frame", frame.bytes), ("Frame", "Frame-first-contact", firstContact.bytes),
      ("padded content", "padding", padded), ("DeviceLog", "DeviceLog", log.encoded),
      ("IdentityStatement", "IdentityStatement", Array(statement.encoded.dropLast(64))),
      ("RegistrationLink", "RegistrationLink", Array(RegistrationLink(server: server, voucher: fixed()).text.utf8)),
      ("InvitationLink", "InvitationLink", Array(InvitationLink(server: server, voucher: fixed(), secrets: secrets).text.utf8)),
      ("RecoveryKey", "RecoveryKey", Array(recovery.revealedText().utf8)), ("Base64URL", "Base64URL", Array("AAECAw".utf8)),
      ("Attachment", "Attachment", attachment.encoded), ("ObjectState", "ObjectState", ObjectState(byteCount: 3, isFinished: true).encoded),
      ("Token", "Token", token.encoded), ("IdentityProof", "IdentityProof", proof.encoded),
      ("IdentityProof", "IdentityProof-of", statement.encoded),
      ("IdentityProof.Nonce", "Nonce", Array(nonce.text.utf8)), ("attachment segment", "segment", Array(repeating: 0, count: 8)),
      ("ReportReceipt", "ReportReceipt", try ReportReceipt(signer: signer, report: [1, 2, 3], day: 9).encoded),
      ("SealedReport", "SealedReport", [1, 2, 3]),
      ("Request", "Request-object", Request.object(.create(writeKey: fixed(), byteCount: 5, days: 2, tokens: [token])).encoded),
      ("Request", "Request-object-write", Request.object(.write(writeKey: fixed(), offset: 1, bytes: [1, 2])).encoded),
      ("Request", "Request-object-read", Request.object(.read(fixed(), offset: 1, count: 9)).encoded),
      ("Content", "Content-attachment", attached.encoded),
      ("RegistrationLink", "RegistrationLink-proxy", Array(RegistrationLink(server: behindProxy, voucher: fixed()).text.utf8)),
    ]
    return try values.map { (structure, name, bytes) in (name, try seed(structure, bytes, of: sotto).bytes) }
  }
}
