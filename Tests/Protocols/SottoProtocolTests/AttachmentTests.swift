import CryptoSuite
import SottoProtocol
import Testing
import WireFormat

@Suite struct AttachmentTests {
  private let key = Secret((0..<32).map { $0 })
  private let segment = AttachmentLayout.segmentByteCount

  private func content(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) } }

  private func cipher(_ count: Int) throws -> AttachmentCipher {
    AttachmentCipher(key: key, layout: try #require(AttachmentLayout(contentByteCount: UInt64(count))))
  }

  private func seal(_ content: [UInt8], with cipher: AttachmentCipher) throws -> [[UInt8]] {
    try (0..<cipher.layout.segmentCount).map { number in
      let start = min(Int(number) * segment, content.count)
      return try cipher.seal(Array(content[start..<start + cipher.layout.contentByteCount(of: number)]), segment: number)
    }
  }

  @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_000])
  func `a file of any size comes back, and its object is as long as the layout says`(_ count: Int) throws {
    let (content, cipher) = (content(count), try cipher(count))
    let sealed = try seal(content, with: cipher)
    #expect(UInt64(sealed.joined().count) == cipher.layout.objectByteCount)
    #expect(sealed.indices.allSatisfy { sealed[$0].count == cipher.layout.sealedByteCount(of: UInt64($0)) })
    #expect(try sealed.indices.flatMap { try cipher.open(sealed[$0], segment: UInt64($0)) } == content)
    // Nothing is kept between two runs, so going on needs nothing but the file and the key.
    #expect(try seal(content, with: self.cipher(count)) == sealed)
  }

  @Test func `a segment that was changed, cut, moved or taken from another file does not open`() throws {
    let (content, cipher) = (content(200_000), try cipher(200_000))
    let sealed = try seal(content, with: cipher)
    #expect(sealed.count == 4)
    for number in sealed.indices {
      for byte in [0, 1, sealed[number].count - 17, sealed[number].count - 16, sealed[number].count - 1] {
        for bit in [UInt8(1), 128] {
          var changed = sealed[number]
          changed[byte] ^= bit
          #expect(throws: CryptoError.notAuthentic) { try cipher.open(changed, segment: UInt64(number)) }
        }
      }
      for cut in [0, 1, 16, sealed[number].count - 1] {
        #expect(throws: CryptoError.notAuthentic) { try cipher.open(Array(sealed[number].prefix(cut)), segment: UInt64(number)) }
      }
      for other in [0, 1, 2, 3, 4, UInt64.max] where other != UInt64(number) {
        #expect(throws: CryptoError.notAuthentic) { try cipher.open(sealed[number], segment: other) }
      }
    }
    // Another size under the same key, so that all but the padding is the same.
    let longer = try self.cipher(262_144)
    #expect(throws: CryptoError.notAuthentic) { try longer.open(sealed[0], segment: 0) }
    let other = AttachmentCipher(key: Secret([UInt8](repeating: 9, count: 32)), layout: cipher.layout)
    #expect(throws: CryptoError.notAuthentic) { try other.open(sealed[0], segment: 0) }
  }

  @Test func `the last segment is told from one in the middle, so a file cannot be cut at a border`() throws {
    // Three whole segments: the first two, taken for a file of two, end with one that is not marked as the last.
    let three = try cipher(3 * segment)
    let sealed = try seal(content(3 * segment), with: three)
    let two = try cipher(2 * segment)
    #expect(throws: CryptoError.notAuthentic) { try two.open(sealed[1], segment: 1) }
  }

  @Test func `sizes are padded to few classes, with at most 12 percent more`() throws {
    var classes: Set<UInt64> = []
    for count in stride(from: UInt64(65_536), through: 1 << 24, by: 4_099) {
      let layout = try #require(AttachmentLayout(contentByteCount: count))
      #expect(layout.paddedByteCount >= count)
      #expect(layout.paddedByteCount - count <= count / 100 * 12)
      classes.insert(layout.paddedByteCount)
    }
    #expect(classes.count < 256)
    let small = try [0, 1, 17, 65_535, 65_536].map { try #require(AttachmentLayout(contentByteCount: $0)).objectByteCount }
    #expect(Set(small) == [65_552])
    let largest = try #require(AttachmentLayout(contentByteCount: Limits.attachmentByteCount))
    #expect(largest.objectByteCount == Limits.objectByteCount)
    #expect(AttachmentLayout(contentByteCount: Limits.attachmentByteCount + 1) == nil)
    #expect(AttachmentLayout(contentByteCount: .max) == nil)
  }

  @Test func `the offsets of segments and the segments at offsets agree`() throws {
    for count: UInt64 in [0, 65_536, 65_537, 1_000_000, 10_000_000] {
      let layout = try #require(AttachmentLayout(contentByteCount: count))
      var sum: UInt64 = 0
      for number in 0..<layout.segmentCount {
        #expect(layout.objectOffset(of: number) == sum)
        #expect(layout.segmentCount(inObjectBytes: sum) == number)
        sum += UInt64(layout.sealedByteCount(of: number))
        #expect(layout.segmentCount(inObjectBytes: sum - 1) == number)
      }
      #expect(sum == layout.objectByteCount && layout.objectOffset(of: layout.segmentCount) == sum)
      #expect(layout.segmentCount(inObjectBytes: sum) == layout.segmentCount)
    }
  }

  @Test func `RFC 8452 C.2's example of AES-256-GCM-SIV`() throws {
    let key = Secret([1] + [UInt8](repeating: 0, count: 31))
    let nonce: [UInt8] = [3] + [UInt8](repeating: 0, count: 11)
    let sealed = try AES256GCMSIV.seal([1, 0, 0, 0, 0, 0, 0, 0], key: key, nonce: nonce, aad: [])
    let expected: [UInt8] = [
      0xc2, 0xef, 0x32, 0x8e, 0x5c, 0x71, 0xc8, 0x3b, 0x84, 0x31, 0x22, 0x13, 0x0f, 0x73, 0x64, 0xb7, 0x61, 0xe0, 0xb9, 0x74, 0x27, 0xe3,
      0xdf,
      0x28,
    ]
    #expect(sealed == expected)
    #expect(try AES256GCMSIV.open(sealed, key: key, nonce: nonce, aad: []) == [1, 0, 0, 0, 0, 0, 0, 0])
  }

  private func attachment(_ name: String) -> SottoProtocol.Attachment? {
    SottoProtocol.Attachment(
      object: ObjectID(trusted: [UInt8](repeating: 1, count: 32)), key: Permission(trusted: [UInt8](repeating: 2, count: 32)),
      byteCount: 70_000,
      hash: KeyHash(trusted: [UInt8](repeating: 3, count: 32)), name: name, mediaType: "image/png")
  }

  @Test func `an attachment travels with a fallback for programs that do not know it`() throws {
    let attachment = try #require(self.attachment("picture.png"))
    let content = Content(
      id: MessageID(trusted: [UInt8](repeating: 4, count: 16)), sequence: 1, sentAt: 0, heads: [], epochAuthenticator: [],
      body: .attachment(attachment))
    #expect(try Content(decoding: content.encoded).body == .attachment(attachment))
    #expect(String(decoding: content.encoded, as: UTF8.self).contains("[file] picture.png, 70000 bytes"))
    for length in 0..<attachment.encoded.count {
      #expect(throws: WireError.self) { try SottoProtocol.Attachment(decoding: Array(attachment.encoded.prefix(length))) }
    }
    #expect(self.attachment("") == nil)
    #expect(self.attachment(String(repeating: "x", count: 256)) == nil)
  }

  @Test(arguments: [
    ("picture.png", "picture.png"), ("../../etc/passwd", "_.._etc_passwd"), ("/etc/passwd", "_etc_passwd"), ("..", "file"), (".", "file"),
    (".bashrc", "bashrc"), ("-rf", "rf"), ("a\u{0}b", "a_b"), ("a\nb", "a_b"), ("exe.\u{202E}gnp", "exe._gnp"), ("C:\\x", "C__x"),
    ("   ", "file"),
    ("name. ", "name"), ("\u{7F}\u{9B}", "__"),
  ])
  func `a name becomes one component of a path and nothing more`(_ name: String, _ safe: String) throws {
    #expect(try #require(attachment(name)).safeName == safe)
  }

  @Test func `a long name leaves room for what is added to it`() throws {
    let name = try #require(attachment(String(repeating: "ä", count: 127))).safeName
    #expect(name.utf8.count <= 255 - 32 && !name.isEmpty)
  }
}
