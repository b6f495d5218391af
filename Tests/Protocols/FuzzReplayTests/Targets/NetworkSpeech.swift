import CryptoSuite
import SottoProtocol
import WireFormat

/// What a server says on one connection, as its peer reads it.
struct NetworkSpeech {
  private let keys: MailboxTarget.Keys
  private var bytes: [UInt8] = []
  private(set) var answerCount = 0
  private(set) var messageCount = 0
  /// The last answer ended the connection.
  private(set) var hasSaidLast = false
  private(set) var isStream = false
  /// A close frame was the last one.
  private(set) var hasClosedStream = false
  private(set) var hello: (serverKey: PublicKey32, nonce: [UInt8])?
  private(set) var cursor: [UInt8] = []

  private static let statuses: Set<Int> = [101, 200, 400, 404, 413, 426, 429, 503]

  init(_ keys: MailboxTarget.Keys) { self.keys = keys }

  mutating func take(_ more: [UInt8]) throws(BrokenProperty) {
    bytes += more
    while try isStream ? takeFrame() : takeAnswer() {}
  }

  private mutating func takeAnswer() throws(BrokenProperty) -> Bool {
    guard !bytes.isEmpty else { return false }
    try BrokenProperty.unless(!hasSaidLast, "something is said after the last answer")
    let end: [UInt8] = [13, 10, 13, 10]
    guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) else { return false }
    let lines = String(decoding: bytes[..<start], as: UTF8.self).lowercased().split(separator: "\r\n")
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count >= 2, words[0] == "http/1.1", let status = Int(words[1]), Self.statuses.contains(status) else {
      throw BrokenProperty("an answer has no status, or one that the protocol does not know")
    }
    func field(_ name: String) -> String? {
      lines.dropFirst().first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
    }
    let count = field("content-length").flatMap { Int($0) }
    try BrokenProperty.unless(status == 101 || count != nil, "an answer does not say how long it is")
    let bodyCount = status == 101 ? 0 : count ?? 0
    guard bytes.count >= start + end.count + bodyCount else { return false }
    try BrokenProperty.unless((status == 429 || status == 503) == (field("retry-after") != nil), "a refusal does not say when to come back")
    bytes.removeFirst(start + end.count + bodyCount)
    answerCount += 1
    isStream = status == 101
    hasSaidLast = field("connection") == "close"
    return true
  }

  private mutating func takeFrame() throws(BrokenProperty) -> Bool {
    guard let (opcode, payload) = try WebSocketBytes.takeFrame(from: &bytes, masked: false) else { return false }
    try BrokenProperty.unless(!hasClosedStream, "something is said after the close frame")
    switch opcode {
    case 2: try takeMessage(payload)
    case 8: hasClosedStream = true
    case 9, 10: try BrokenProperty.unless(payload.count <= 125, "a ping or pong is too long")
    default: throw BrokenProperty("a frame is of a kind that the protocol does not know")
    }
    return true
  }

  private mutating func takeMessage(_ bytes: [UInt8]) throws(BrokenProperty) {
    guard let message = try? ServerMessage(decoding: bytes) else { throw BrokenProperty("a stream message cannot be read") }
    messageCount += 1
    switch message {
    case .hello(let serverKey, let nonce): hello = (serverKey, nonce)
    case .envelope(let cursor, let sealed):
      self.cursor = cursor
      guard (try? Envelope(opening: sealed, with: keys.seal, mailbox: keys.mailbox)) != nil else {
        throw BrokenProperty("an envelope cannot be opened")
      }
    default: break
    }
  }
}
