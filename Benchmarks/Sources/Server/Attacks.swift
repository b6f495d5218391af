import CryptoSuite
import SottoProtocol
import WireFormat

extension Attack {
  /// Every attack, in the order of the table of docs/hostile-peers.md.
  static let all = waiting + holding + streaming + flooding

  private static let random = SystemRandom()
  private static let recipientCount = Limits.recipientCount

  // MARK: Who waits

  private static let waiting = [
    Attack("half-open", "opens TCP and says nothing", count: 4_000, addresses: 400) { site, index in
      try await site.opening { try await site.connect(index, isEncrypted: false) }.waitUntilClosed()
    },
    Attack("half-hello", "stops within the TLS handshake", count: 4_000, addresses: 400) { site, index in
      let peer = try await site.opening {
        let peer = try await site.connect(index, isEncrypted: false)
        try await peer.push(Array(site.hello.dropLast()))
        return peer
      }
      await peer.waitUntilClosed()
    },
    Attack("slow-head", "a head of 7 KiB that does not end", count: 2_000, addresses: 400) { site, index in
      let peer = try await site.opening {
        let peer = try await site.connect(index)
        try await peer.push(Array("GET /v1/health HTTP/1.1\r\nHost: a\r\nX-A: ".utf8) + [UInt8](repeating: 0x61, count: 7_000))
        return peer
      }
      await peer.waitUntilClosed()
    },
    Attack("idle", "idle connections, as many as there are places", count: 10_000, addresses: 500) { site, index in
      let peer = try await site.opening {
        let peer = try await site.connect(index)
        _ = try await peer.exchange(BenchClient.request([], path: "/v1/health"))
        return peer
      }
      await peer.waitUntilClosed()
    },
  ]

  // MARK: Who makes the server hold

  private static let holding = [
    Attack("slow-body", "half a body of 1 MiB, then a byte ten times a second", count: 1_000, addresses: 500) { site, index in
      let peer = try await site.opening {
        let peer = try await site.connect(index)
        let head = "POST /v1/call HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"
        try await peer.push(Array(head.utf8) + [UInt8](repeating: 2, count: 512 << 10))
        return peer
      }
      while !peer.isClosed {
        try await peer.push([2])
        try await Task.sleep(for: .milliseconds(100))
      }
    },
    Attack("unread-replies", "asks for 512 KiB of a file twenty times, reads nothing", count: 1_000, addresses: 500) { site, index in
      guard let key = Permission(site.world.file) else { throw BenchmarkError.refused }
      let read = Request.object(.read(key.objectID, offset: 0, count: UInt32(Limits.objectPieceByteCount)))
      let request = BenchClient.request(read.encoded)
      let peer = try await site.opening {
        let peer = try await site.connect(index, receiveBufferByteCount: 4_096)
        _ = try await peer.exchange(BenchClient.request([], path: "/v1/health"))
        return peer
      }
      try await peer.setReading(false)
      for _ in 0..<20 { peer.send(request) }
      try await Task.sleep(for: .seconds(60))
      await peer.close()
    },
    Attack("slow-readers", "owners of full mailboxes who read nothing", count: 200, addresses: 200) { site, index in
      let peer = try await site.opening { try await site.attach(index, receiveBufferByteCount: 4_096) }
      try await peer.setReading(false)
      try await Task.sleep(for: .seconds(60))
      await peer.close()
    },
  ]

  // MARK: Who floods streams

  private static let streaming = [
    Attack("endless-frame", "owners: a frame of 320 KiB less a byte", count: 300, addresses: 300) { site, index in
      let peer = try await site.opening {
        let peer = try await site.attach(index)
        try await peer.push(BenchClient.frame(2, [UInt8](repeating: 3, count: 320 << 10)).dropLast())
        return peer
      }
      await peer.waitUntilClosed()
    },
    Attack("fragments", "owners: 63 fragments of 5 KiB, no end", count: 300, addresses: 300) { site, index in
      let peer = try await site.opening {
        let peer = try await site.attach(index)
        for number in 0..<63 {
          try await peer.push(BenchClient.frame(number == 0 ? 2 : 0, [UInt8](repeating: 3, count: 5_120), isFinal: false))
        }
        return peer
      }
      await peer.waitUntilClosed()
    },
    Attack("pings", "owners: pings without pause, answers read", count: 100, addresses: 100) { site, index in
      let peer = try await site.opening { try await site.attach(index) }
      let pings = [UInt8]((0..<100).flatMap { _ in BenchClient.frame(9, []) })
      let reader = Task { await peer.waitUntilClosed() }
      while !peer.isClosed { try await peer.push(pings) }
      await reader.value
    },
    Attack("unread-pongs", "owners: pings without pause, answers unread", count: 300, addresses: 300) { site, index in
      let peer = try await site.opening { try await site.attach(index, receiveBufferByteCount: 4_096) }
      try await peer.setReading(false)
      let pings = [UInt8]((0..<100).flatMap { _ in BenchClient.frame(9, [UInt8](repeating: 1, count: 100)) })
      while !peer.isClosed { try await peer.push(pings) }
    },
    Attack("owner-writes", "owners: new delivery keys without pause", count: 20, addresses: 20) { site, index in
      let peer = try await site.opening { try await site.attach(index) }
      let hashes = try (0..<Limits.deliveryKeyPadding).map { _ in try site.world.recipient(index).deliveryKey.hash }
      let message = BenchClient.frame(2, OwnerMessage.delivery(id: 1, keyHashes: hashes).encoded)
      let reader = Task { await peer.waitUntilClosed() }
      while !peer.isClosed { try await peer.push(message + message + message + message) }
      await reader.value
    },
    Attack("unproved-pings", "streams of nobody: pings", count: 1_000, addresses: 500) { site, index in
      let peer = try await site.opening {
        let peer = try await site.connect(index)
        try await peer.upgrade()
        return peer
      }
      let pings = [UInt8]((0..<100).flatMap { _ in BenchClient.frame(9, [UInt8](repeating: 1, count: 100)) })
      while !peer.isClosed { try await peer.push(pings) }
    },
  ]

  // MARK: Who makes the server work

  private static let flooding = [
    Attack("connect-flood", "opens and closes TCP without pause", count: 64, addresses: 400) { site, index in
      let peer = try await site.connect(Int.random(in: 0..<400), isEncrypted: false)
      await peer.close()
    },
    Attack("hello-flood", "TLS hellos without pause, from 400 addresses", count: 64, addresses: 400) { site, index in
      try await sayHello(site)
    },
    Attack("hello-flood-1", "TLS hellos without pause, from one address", count: 64, addresses: 1) { site, index in
      try await sayHello(site)
    },
    Attack("garbage", "bodies of 64 KiB of garbage", count: 64, addresses: 400) { site, index in
      let request = BenchClient.request([UInt8](repeating: 0xee, count: 65_536))
      let peer = try await site.connect(Int.random(in: 0..<400))
      try await peer.push(request)
      await peer.waitUntilClosed()
    },
    Attack("sends", "sends to 1,024 unknown mailboxes without pause", count: 64, addresses: 400) { site, index in
      try await repeatCall(site) {
        .send(id: .random(using: random), frame: [UInt8](repeating: 1, count: 512), recipients: strangers())
      }
    },
    Attack("appends", "appends to a known log by a wrong key, to 1,024 unknown mailboxes", count: 64, addresses: 400) { site, index in
      guard let handle = HandleID(site.world.log) else { throw BenchmarkError.refused }
      try await repeatCall(site) {
        .append(
          LogAppend(
            handle: handle, slot: 0, writeKey: .random(using: random), entry: [UInt8](repeating: 1, count: 512), rotation: nil,
            groupInfo: [], recipients: strangers()))
      }
    },
    Attack("large-appends", "appends of 256 KiB to a log that is not there", count: 64, addresses: 400) { site, index in
      let frame = [UInt8](repeating: 1, count: Limits.frameByteCount)
      try await repeatCall(site) {
        .append(
          LogAppend(
            handle: .random(using: random), slot: 0, writeKey: .random(using: random), entry: frame, rotation: nil, groupInfo: frame,
            recipients: []))
      }
    },
    Attack("forged-tokens", "registrations with forged tokens", count: 64, addresses: 400) { site, index in
      guard let ownerKey = PublicKey32(SignatureAlgorithm.ed25519.generateKey().publicKey) else { throw BenchmarkError.refused }
      try await repeatCall(site) {
        .register(
          token: Token(id: .random(using: random), signature: BlindNumber(trusted: [0] + random.bytes(255))),
          mailbox: .random(using: random), ownerKey: ownerKey, sealKey: ownerKey)
      }
    },
    Attack("read-log", "reads a log of 1,024 entries of 4 KiB, over many connections of one address", count: 128, addresses: 1) {
      site, index in
      guard let handle = HandleID(site.world.openLog) else { throw BenchmarkError.refused }
      let peer = try await site.connect(index)
      let pages = [0, 256, 512, 768].map { BenchClient.request(Request.readLog(handle: handle, from: $0).encoded) }
      while !peer.isClosed {
        for page in pages {
          // Who is told to come back later does, soon.
          if try await peer.exchange(page).status != 200 { try await Task.sleep(for: .milliseconds(100)) }
        }
      }
    },
    Attack("heads", "heads of sends to 1,024 unknown mailboxes, then all bodies in one moment", count: 1_000, addresses: 1) { site, index in
      let body = Request.send(id: .random(using: random), frame: [UInt8](repeating: 1, count: 512), recipients: strangers()).encoded
      let peer = try await site.opening {
        let peer = try await site.connect(index)
        try await peer.push(Array("POST /v1/call HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n".utf8))
        return peer
      }
      // A moment that all of them have in common, whoever was late.
      let moment = 2_000_000_000.0
      let now = wallNanoseconds()
      try await Task.sleep(for: .nanoseconds(Int64(moment - now.truncatingRemainder(dividingBy: moment))))
      try await peer.push(body)
      _ = try await peer.reply()
      await peer.close()
    },
  ]

  /// Has the server do its part of a handshake.
  private static func sayHello(_ site: AttackSite) async throws {
    let peer = try await site.connect(Int.random(in: 0..<400), isEncrypted: false)
    peer.send(site.hello)
    _ = await peer.waitForBytes()
    await peer.close()
  }

  /// Asks the same on one connection until it ends.
  private static func repeatCall(_ site: AttackSite, _ request: () throws -> Request) async throws {
    let peer = try await site.connect(Int.random(in: 0..<400))
    let bytes = BenchClient.request(try request().encoded)
    while try await peer.exchange(bytes).status == 200 {}
    await peer.close()
  }

  private static func strangers() -> [Recipient] {
    (0..<recipientCount).map { _ in Recipient(mailbox: .random(using: random), deliveryKey: .random(using: random)) }
  }
}
