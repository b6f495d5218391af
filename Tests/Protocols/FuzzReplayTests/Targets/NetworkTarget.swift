import CryptoSuite
import SottoProtocol
import WireFormat

/// Connections of a server without a network: bytes, in any cuts and at any pace, into the real pipelines, over an engine in
/// memory.
enum NetworkTarget {
  enum Step: UInt8, CaseIterable {
    /// A connection comes, from one of a few addresses, and is the one that the next steps are about.
    case connect
    /// Another one is.
    case choose
    /// Bytes come in one read.
    case send
    /// A count, and bytes that come so many at a time.
    case dribble
    /// The body of a call comes, with a head.
    case call
    /// A stream is asked for.
    case upgrade
    /// The owner proves to be one.
    case attach
    /// A message in one frame.
    case message
    /// The first byte of a frame, and its payload.
    case frame
    /// Seconds pass.
    case wait
    /// The peer stops reading, or goes on.
    case read
    /// The application stops working, or goes on.
    case work
    /// The peer goes.
    case leave
    /// The server is about to end.
    case quiesce
    /// Everything that came is acknowledged.
    case acknowledge
  }

  private static let maxStepCount = 40

  static func check(_ input: [UInt8]) throws(BrokenProperty) { _ = try run(input) }

  /// - Returns: how many answers to requests and how many stream messages the peers read.
  static func run(_ input: [UInt8]) throws(BrokenProperty) -> (answers: Int, messages: Int) {
    let world = try NetworkWorld()
    do throws(BrokenProperty) {
      for (step, bytes) in Steps.read(input, of: Step.self, maxCount: maxStepCount) {
        try world.take(step, bytes)
        try world.settle()
      }
      return try world.finish()
    } catch {
      world.abandon()
      throw error
    }
  }
}

// MARK: - Seeds

extension NetworkTarget {
  static func makeSeeds() throws -> [(name: String, bytes: [UInt8])] {
    let keys = try MailboxTarget.Keys()
    let random = SeededRandom(seed: 5)
    func step(_ step: Step, _ bytes: [UInt8] = []) -> [UInt8] { Steps.write(step, bytes) }
    func text(_ text: String) -> [UInt8] { Array(text.utf8) }
    func get(_ path: String) -> [UInt8] { text("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n") }
    let frame = try WrapKey(Secret(random.bytes(32))).seal([1], random: random).bytes
    let recipient = Recipient(mailbox: keys.mailbox, deliveryKey: keys.deliveryKey)
    let send = Request.send(id: .random(using: random), frame: frame, recipients: [recipient]).encoded
    let other = Request.send(id: .random(using: random), frame: frame, recipients: [recipient]).encoded
    let readLog = Request.readLog(handle: keys.handle, from: 0).encoded
    let vouchers = OwnerMessage.vouchers(id: 1, count: 2).encoded
    let attached = step(.connect) + step(.upgrade) + step(.attach)
    let half = Array(vouchers.prefix(2))
    return [
      ("get", step(.connect) + ["/v1/health", "/v1/identity", "/.well-known/security.txt"].flatMap { step(.send, get($0)) }),
      ("proof", step(.connect) + step(.send, get("/v1/identity?nonce=" + IdentityProof.Nonce.random(using: random).text))),
      ("pipelined", step(.connect) + step(.send, get("/v1/health") + get("/v1/identity") + get("/nothing") + get("/v1/health"))),
      ("unread", step(.connect) + step(.read, [0]) + step(.send, get("/v1/health") + get("/v1/identity")) + step(.wait, [80])),
      ("call", step(.connect) + step(.call, send) + step(.call, readLog)),
      (
        "chunked",
        step(.connect)
          + step(.dribble, [7] + text("POST /v1/report HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
      ),
      ("head-drips", step(.connect) + step(.dribble, [1] + text("GET /v1/he")) + step(.wait, [11])),
      ("body-drips", step(.connect) + step(.send, text("POST /v1/call HTTP/1.1\r\nContent-Length: 99\r\n\r\nabc")) + step(.wait, [31])),
      ("too-large", step(.connect) + step(.send, text("POST /v1/call HTTP/1.1\r\nContent-Length: 9999\r\n\r\nabc"))),
      ("old", step(.connect) + step(.send, text("GET /v1/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") + get("/v1/health"))),
      ("expect", step(.connect) + step(.send, text("POST /v1/call HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"))),
      ("garbage", step(.connect) + step(.send, random.bytes(64))),
      ("busy", step(.connect) + step(.work, [0]) + step(.call, send) + step(.wait, [35]) + step(.work, [1])),
      ("gone", step(.connect) + step(.work, [0]) + step(.call, send) + step(.leave) + step(.connect) + step(.call, other)),
      ("stream", attached + step(.message, vouchers) + step(.wait, [31]) + step(.frame, [0x8a])),
      ("unproved", step(.connect) + step(.upgrade) + step(.message, vouchers) + step(.connect) + step(.upgrade) + step(.wait, [11])),
      (
        "delivered",
        attached + step(.connect, [1]) + step(.call, send) + step(.call, other) + step(.choose, [0]) + step(.acknowledge)
      ),
      ("slow-reader", attached + step(.read, [0]) + step(.connect, [1]) + step(.call, send) + step(.wait, [100])),
      ("fragments", attached + step(.frame, [0x02] + half) + step(.frame, [0x89, 1]) + step(.frame, [0x80] + vouchers.dropFirst(2))),
      ("half-a-frame", attached + step(.send, [0x82, 0xfe, 0x07, 0, 1, 2, 3, 4] + random.bytes(600)) + step(.wait, [100])),
      ("no-room", attached + (0..<4).flatMap { _ in step(.frame, [0x02] + random.bytes(1_600)) } + step(.connect) + step(.call, send)),
      ("queue", attached + step(.work, [0]) + (0..<5).flatMap { _ in step(.message, random.bytes(900)) } + step(.work, [1])),
      ("text", attached + step(.frame, [0x81, 65])), ("unmasked", attached + step(.send, [0x82, 1, 1])),
      ("close", attached + step(.frame, [0x88, 0x03, 0xe8]) + step(.wait, [3])),
      ("pings", attached + step(.send, (0..<40).flatMap { _ in WebSocketBytes.frame(0x89, [1], isMasked: true) }) + step(.wait, [5])),
      ("quiesce", attached + step(.connect) + step(.work, [0]) + step(.call, send) + step(.quiesce) + step(.choose, [0]) + step(.quiesce)),
      ("crowd", (0..<6).flatMap { step(.connect, [$0 / 2]) + step(.upgrade) } + step(.wait, [12]) + step(.connect) + step(.upgrade)),
    ]
  }
}
