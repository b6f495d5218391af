import ConversationEngine
import CryptoSuite
import DeviceStoreTesting
import MailboxEngine
import MailboxEngineTesting
import SimulatedWorld
import SottoProtocol
import Testing

/// Where a device's tokens come from, and what becomes of them when something goes wrong.
@Suite struct TokenTests {
  @Test func `lost answers to a redemption cost no token`() async throws {
    let world = try await SimulatedWorld(seed: 90, deviceCount: 1)
    var redemptions: [Request] = []
    world.interceptAnswer = { _, request, _ in
      guard case .redeem = request else { return false }
      redemptions.append(request)
      return redemptions.count <= 3
    }
    try await world.run()
    #expect(world.devices[0].events.contains(.registered(world.server.address)))
    // The very same request each time: the voucher is used up by the first.
    #expect(redemptions.count == 4)
    #expect(Set(redemptions).count == 1)
    try await MeetingTests.requireGood(world)
  }

  @Test func `a voucher that somebody else has used registers nobody, and its owner hears of it`() async throws {
    let world = try await SimulatedWorld(seed: 91, deviceCount: 1)
    var shown: Request?
    world.interceptCall = { _, request in
      guard case .redeem = request, shown == nil else { return false }
      shown = request
      world.planUser(1, in: 1)
      return true
    }
    world.onUser = { world, _ in
      guard case .redeem(let voucher, let issuerKey, _)? = shown else { return }
      let blinded = [BlindNumber(trusted: [0] + SeededRandom(seed: 1).bytes(255))]
      guard case .redeemed = try await world.callServer(.redeem(voucher: voucher, issuerKey: issuerKey, blinded: blinded)) else {
        throw WorldFailure("the voucher was good")
      }
    }
    try await world.run()
    #expect(shown != nil)
    #expect(world.devices[0].events.contains(.registrationRefused(world.server.address)))
  }

  @Test func `an entry token whose key has ended registers nobody, and its owner hears of it`() async throws {
    let world = try await SimulatedWorld(seed: 96, deviceCount: 1)
    var shown: Token?
    world.interceptCall = { _, request in
      guard case .register(let token, _, _, _) = request, shown == nil else { return false }
      shown = token
      // The client comes back half a year later, with the token that it has in hand.
      world.setOnline(0, false, in: 0)
      world.setOnline(0, true, in: 183 * 86_400_000)
      return true
    }
    try await world.run()
    #expect(shown != nil)
    #expect(world.devices[0].events.contains(.registrationRefused(world.server.address)))
    #expect(world.devices[0].engine?.taskCount == 0)
  }

  @Test func `a device that makes many groups has more tokens signed as it goes`() async throws {
    let world = try await SimulatedWorld(seed: 92, deviceCount: 1)
    try await world.run()
    for number in 0..<12 {
      try world.act(0) { (engine, now) throws(EngineError) in try engine.createGroup(title: "group \(number)", inviting: [], now: now) }
    }
    try await world.run()
    #expect(world.devices[0].engine?.taskCount == 0)
    #expect(world.server.store.logCount == 12)
    try await MeetingTests.requireGood(world)
  }
}

/// The engine alone, with a server's part played by hand.
@Suite struct IssuerTests {
  private let random = SeededRandom(seed: 93)
  private let signer: SigningKey
  private let address: ServerAddress

  init() throws {
    signer = SignatureAlgorithm.ed25519.generateKey(using: random)
    let key = try #require(PublicKey32(signer.publicKey))
    address = try #require(ServerAddress(host: "server.example", port: 443, serverKey: key))
  }

  private static func makeKeys(quarter: UInt32 = 1) throws -> QuarterKeys {
    try QuarterKeys(entry: .generate(), common: .generate(), quarter: quarter)
  }

  private func statement(_ sequence: UInt64, _ keys: [QuarterKeys]) throws -> IdentityStatement {
    try IdentityStatement(
      signer: signer, sequence: sequence, notAfter: 1 << 40, keyHashes: [.random(using: random)], issuerKeys: keys.map(\.publicKeys))
  }

  /// As a server signs for a voucher or, on a stream, for an owner.
  private func sign(_ blinded: [BlindNumber], _ keys: QuarterKeys, isRedemption: Bool = true) throws -> [BlindNumber] {
    try zip(blinded, TokenKind.signed(blinded.count, isRedemption: isRedemption)).map { number, kind in
      BlindNumber(trusted: try keys[kind].sign(number.bytes))
    }
  }

  private func identification(_ work: [Work]) throws -> UInt64 {
    try #require(work.first { if case .identify = $0.action { true } else { false } }).id
  }

  private func redemption(_ work: [Work]) throws -> (id: UInt64, voucher: Permission, issuer: KeyHash, blinded: [BlindNumber]) {
    for item in work {
      if case .call(.redeem(let voucher, let issuer, let blinded)) = item.action { return (item.id, voucher, issuer, blinded) }
    }
    throw WorldFailure("nothing is redeemed")
  }

  @Test func `a key that the server has no more is asked for anew, and the voucher is shown under the new one`() throws {
    let (old, new) = (try Self.makeKeys(), try Self.makeKeys(quarter: 2))
    let voucher = Permission.random(using: random)
    var (engine, _) = try ConversationEngine.create(
      name: "Ada", registration: RegistrationLink(server: address, voucher: voucher), store: InMemoryDeviceStore(), random: random, now: 0)
    let first = try identification(engine.nextWork(now: 1))
    try engine.noteStatement(statement(1, [old]), of: address)
    try engine.complete(first, .identified, now: 2)
    let shown = try redemption(engine.nextWork(now: 3))
    #expect(shown.issuer == old.hash)
    try engine.complete(shown.id, .answer(.issuerUnknown), now: 4)
    let second = try identification(engine.nextWork(now: 100_000))
    try engine.noteStatement(statement(2, [new, old]), of: address)
    try engine.complete(second, .identified, now: 100_001)
    let again = try redemption(engine.nextWork(now: 200_000))
    #expect(again.voucher == voucher)
    #expect(again.issuer == new.hash)
    #expect(Set(again.blinded).isDisjoint(with: shown.blinded))
  }

  @Test func `what a server answers instead of signatures is not taken, and asked for again`() throws {
    let (keys, other) = (try Self.makeKeys(), try Self.makeKeys())
    var (engine, _) = try ConversationEngine.create(
      name: "Ada", registration: RegistrationLink(server: address, voucher: .random(using: random)), store: InMemoryDeviceStore(),
      random: random, now: 0)
    _ = try engine.nextWork(now: 1)
    try engine.noteStatement(statement(1, [keys]), of: address)
    var now: UInt64 = 2
    func redeem() throws -> (id: UInt64, voucher: Permission, issuer: KeyHash, blinded: [BlindNumber]) {
      now += 200_000
      return try redemption(engine.nextWork(now: now))
    }
    let shown = try redeem()
    let good = try sign(shown.blinded, keys)
    let foreign = try sign(shown.blinded.map { BlindNumber(trusted: [0] + $0.bytes.dropFirst()) }, other)
    // Signed with the one key where the other was asked for.
    let small = shown.blinded.map { BlindNumber(trusted: [0] + $0.bytes.dropFirst()) }
    let crossed = try good.prefix(1) + small.dropFirst().map { BlindNumber(trusted: try keys[.entry].sign($0.bytes)) }
    for answer in [foreign, Array(crossed), Array(good.dropLast()), good.reversed(), good + good] {
      try engine.complete(shown.id, .answer(.redeemed(answer)), now: now)
      let again = try redeem()
      #expect(again.id == shown.id)
      #expect(again.blinded == shown.blinded)
    }
    try engine.complete(shown.id, .answer(.redeemed(good)), now: now)
    let registers = try engine.nextWork(now: now).contains { if case .call(.register) = $0.action { true } else { false } }
    #expect(registers)
  }

  @Test func `tokens are asked for by the calendar and always as many, whether or not any were spent, and few are kept`() throws {
    let keys = try Self.makeKeys()
    for groupHours in [0, 8] as [UInt64] {
      var now: UInt64 = 1_800_000_000_000
      var (engine, _) = try ConversationEngine.create(
        name: "Ada", registration: RegistrationLink(server: address, voucher: .random(using: random)), store: InMemoryDeviceStore(),
        random: random, now: now)
      var asked: [UInt64] = []
      var groupCount = 0
      func pump() throws {
        let served = try serve(&engine, keys, now: now)
        asked += repeatElement(now, count: served.askedCount)
        groupCount += served.logCount
      }
      try pump()
      #expect(asked == [now])
      for hour in 1...240 as ClosedRange<UInt64> {
        now += 3_600_000
        if groupHours > 0, hour.isMultiple(of: groupHours) { _ = try engine.createGroup(title: "group \(hour)", inviting: [], now: now) }
        try pump()
      }
      #expect(groupCount == (groupHours > 0 ? 30 : 0))
      let pauses = zip(asked, asked.dropFirst()).map { ($1 - $0) / 3_600_000 }
      #expect(pauses.allSatisfy { (12...37).contains($0) }, "\(pauses)")
      #expect((6...21).contains(asked.count))
      guard groupHours == 0 else { continue }
      let id = try engine.createGroup(title: "files", inviting: [], now: now)
      try pump()
      let upload = try engine.beginUpload(of: "/a", name: "a", mediaType: "", byteCount: 1, to: id, now: now)
      #expect(engine.canPay(for: upload, count: 63) && !engine.canPay(for: upload, count: 64))
      // What is short of tokens does not wait for the calendar.
      #expect(try engine.payForUpload(upload, count: 100) == nil)
      let before = asked.count
      try pump()
      #expect(asked.count == before + 3)
      #expect(try engine.payForUpload(upload, count: 100)?.count == 100)
    }
  }

  /// Does everything that there is to do.
  ///
  /// - Returns: how often tokens were asked for, and how many logs were made.
  private func serve(
    _ engine: inout ConversationEngine, _ keys: QuarterKeys, now: UInt64
  ) throws -> (askedCount: Int, logCount: Int) {
    var (askedCount, logCount) = (0, 0)
    var work = try engine.nextWork(now: now)
    while !work.isEmpty {
      for item in work {
        let result: WorkResult
        switch item.action {
        case .identify:
          try engine.noteStatement(statement(1, [keys]), of: address)
          result = .identified
        case .call(.redeem(_, _, let blinded)):
          result = .answer(.redeemed(try sign(blinded, keys)))
        case .call(.register): result = .answer(.registered)
        case .call(.createLog):
          logCount += 1
          result = .answer(.created)
        case .owner(.issue(_, _, let blinded)):
          askedCount += 1
          #expect(blinded.count == 16)
          // Who asks waits for the answer, or would ask anew each time.
          #expect(engine.hasWork)
          result = .issued(try sign(blinded, keys, isRedemption: false))
        default: result = .done(.done)
        }
        try engine.complete(item.id, result, now: now)
      }
      work = try engine.nextWork(now: now)
    }
    #expect(!engine.hasWork)
    return (askedCount, logCount)
  }

  @Test func `a clock that was ahead keeps no device from asking for tokens`() throws {
    let keys = try Self.makeKeys()
    var now: UInt64 = 1_900_000_000_000
    var (engine, _) = try ConversationEngine.create(
      name: "Ada", registration: RegistrationLink(server: address, voucher: .random(using: random)), store: InMemoryDeviceStore(),
      random: random, now: now)
    let ahead = try serve(&engine, keys, now: now).askedCount
    now -= 86_400_000_000
    let back = try serve(&engine, keys, now: now).askedCount
    let again = try serve(&engine, keys, now: now + 1).askedCount
    #expect([ahead, back, again] == [1, 1, 0])
  }

  @Test func `an issuer key that is none, and a statement older than one seen, change nothing`() throws {
    let keys = try Self.makeKeys()
    var (engine, _) = try ConversationEngine.create(
      name: "Ada", registration: RegistrationLink(server: address, voucher: .random(using: random)), store: InMemoryDeviceStore(),
      random: random, now: 0)
    let first = try identification(engine.nextWork(now: 1))
    let none = IssuerKey(trusted: [UInt8](repeating: 0, count: 256))
    let good = keys.publicKeys
    for (sequence, pair) in [(5, IssuerKeys(entry: none, common: good.common)), (6, IssuerKeys(entry: good.entry, common: none))] {
      let broken = try IdentityStatement(
        signer: signer, sequence: UInt64(sequence), notAfter: 1 << 40, keyHashes: [.random(using: random)], issuerKeys: [pair])
      try engine.noteStatement(broken, of: address)
    }
    try engine.noteStatement(statement(4, [keys]), of: address)
    try engine.complete(first, .identified, now: 2)
    // Still without a key: nothing is shown to the server, and the statement is asked for once more after a while.
    let atOnce = try engine.nextWork(now: 3)
    #expect(atOnce.isEmpty)
    let later = try engine.nextWork(now: 100_000)
    _ = try identification(later)
    #expect(later.count == 1)
  }
}
