import CryptoSuite
import SottoProtocol
import Testing
import WireFormat

@Suite struct FrameTests {
  let random = SeededRandom(seed: 2)
  var wrapKey: WrapKey { WrapKey(Secret([UInt8](repeating: 7, count: 32))) }

  @Test func `a frame opens to what was sealed, at every length around a size class`() throws {
    for count in [0, 1, 449, 450, 451, 961, 962, 963, 60_000, 262_082] {
      let message = random.bytes(count)
      let frame = try wrapKey.seal(message, random: random)
      #expect(Frame.isPermittedByteCount(frame.bytes.count))
      #expect(try wrapKey.open(Frame(frame.bytes)) == message)
    }
  }

  @Test func `lengths of one size class cannot be told apart`() throws {
    let counts = Set(try [1, 100, 400].map { try wrapKey.seal(random.bytes($0), random: random).bytes.count })
    #expect(counts == [512])
  }

  @Test func `more than the largest frame holds is refused with the limit`() {
    #expect(throws: FrameError.tooLarge(byteCount: 262_095, limit: 262_094)) {
      try wrapKey.seal([UInt8](repeating: 0, count: 262_095), random: random)
    }
  }

  @Test func `only the right key locates and opens a frame`() throws {
    let frame = try wrapKey.seal([1, 2, 3], random: random)
    let other = WrapKey(Secret([UInt8](repeating: 8, count: 32)))
    #expect(wrapKey.locates(frame))
    #expect(!other.locates(frame))
    #expect(throws: FrameError.notAuthentic) { try other.open(frame) }
  }

  @Test func `no single changed bit of a frame is accepted`() throws {
    let bytes = try wrapKey.seal([1, 2, 3], random: random).bytes
    for index in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[index] ^= 1 << UInt8(bit)
        #expect(throws: FrameError.self) { try wrapKey.open(Frame(changed)) }
      }
    }
  }

  @Test(arguments: [0, 1, 511, 513, 768, 1_023, 262_143, 524_288])
  func `bytes of another size are no frame`(count: Int) {
    #expect(throws: FrameError.notAFrame) { try Frame([UInt8](repeating: 1, count: count)) }
  }

  @Test func `equal messages make frames that share nothing but their first two bytes`() throws {
    let one = try wrapKey.seal([1], random: random).bytes
    let other = try wrapKey.seal([1], random: random).bytes
    #expect(one.prefix(2) == other.prefix(2))
    #expect(one[2..<18] != other[2..<18])
    #expect(one[30...] != other[30...])
  }
}

@Suite struct FirstContactTests {
  let random = SeededRandom(seed: 3)

  @Test func `a first contact opens with the contact key and the seed, and with nothing less`() throws {
    let keys = FirstContact.suite.generateKeyPair(using: random)
    let secrets = InvitationSecrets(seed: Secret(random.bytes(32)))
    let contactKey = try #require(PublicKey32(keys.publicKey))
    let frame = try Frame(FirstContact.seal([9, 9], to: contactKey, secrets: secrets, random: random).bytes)
    #expect(try FirstContact.open(frame, contactKey: keys, secrets: secrets) == [9, 9])

    let otherSecrets = InvitationSecrets(seed: Secret(random.bytes(32)))
    #expect(!FirstContact.locates(frame, secrets: otherSecrets))
    #expect(throws: FrameError.notAuthentic) { try FirstContact.open(frame, contactKey: keys, secrets: otherSecrets) }
    let otherKeys = FirstContact.suite.generateKeyPair(using: random)
    #expect(throws: FrameError.notAuthentic) { try FirstContact.open(frame, contactKey: otherKeys, secrets: secrets) }
  }

  @Test func `a bundle opens only under its seed`() throws {
    let secrets = InvitationSecrets(seed: Secret(random.bytes(32)))
    let bundle = ContactBundle(keyPackage: random.bytes(300), contactKey: .random(using: random))
    let blob = try secrets.seal(bundle, random: random)
    #expect(try secrets.openBundle(blob) == bundle)
    let others = InvitationSecrets(seed: Secret(random.bytes(32)))
    #expect(throws: FrameError.notAuthentic) { try others.openBundle(blob) }
    for count in 0..<40 { #expect(throws: FrameError.notAuthentic) { try secrets.openBundle(Array(blob.prefix(count))) } }
  }
}

@Suite struct EnvelopeTests {
  let random = SeededRandom(seed: 4)

  @Test func `an envelope opens in its own mailbox only`() throws {
    let keys = FirstContact.suite.generateKeyPair(using: random)
    let sealKey = try #require(PublicKey32(keys.publicKey))
    let mailbox = MailboxID.random(using: random)
    let envelope = Envelope(source: .log(slot: 5), frame: random.bytes(512))
    let sealed = try envelope.sealed(to: sealKey, mailbox: mailbox)
    #expect(sealed.count > 512 && sealed.count <= 512 + Envelope.overheadByteCount)
    #expect(try Envelope(opening: sealed, with: keys, mailbox: mailbox) == envelope)
    #expect(throws: FrameError.notAuthentic) { try Envelope(opening: sealed, with: keys, mailbox: .random(using: random)) }
    for count in [0, 31, 32, 33, sealed.count - 1] {
      #expect(throws: FrameError.notAuthentic) { try Envelope(opening: Array(sealed.prefix(count)), with: keys, mailbox: mailbox) }
    }
  }

  @Test func `two copies of one frame share no byte string at rest`() throws {
    let keys = FirstContact.suite.generateKeyPair(using: random)
    let sealKey = try #require(PublicKey32(keys.publicKey))
    let envelope = Envelope(source: .send, frame: [UInt8](repeating: 0, count: 512))
    let one = try envelope.sealed(to: sealKey, mailbox: .random(using: random))
    let other = try envelope.sealed(to: sealKey, mailbox: .random(using: random))
    let windows = Set((0..<(one.count - 8)).map { Array(one[$0..<($0 + 8)]) })
    #expect((0..<(other.count - 8)).allSatisfy { !windows.contains(Array(other[$0..<($0 + 8)])) })
  }

  @Test func `a send with a slot is no envelope`() {
    var writer = ByteWriter()
    writer.write(UInt8(1))
    writer.write(UInt8(0))
    writer.write(UInt64(3))
    writer.writeVector([UInt8](repeating: 0, count: 512))
    #expect(throws: WireError.self) { try Envelope(decoding: writer.bytes) }
  }
}
