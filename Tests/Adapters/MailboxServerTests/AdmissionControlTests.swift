import Metering
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Synchronization
import Testing

@testable import MailboxServer

/// What many connections together may have, in virtual time and with made-up addresses.
struct AdmissionControlTests {
  private func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 1) }

  private func makeControl(_ limits: ServerLimits, descriptorCount: Int = 100_000, clock: ManualTime = ManualTime()) -> AdmissionControl {
    AdmissionControl(limits: limits, descriptorCount: descriptorCount, now: { clock.microseconds })
  }

  @Test func `one peer gets its share, another one still gets in, and a place that is given up is free again`() throws {
    var limits = ServerLimits()
    limits.maximumConnectionCountPerPeer = 3
    let control = makeControl(limits)
    let greedy = try address("192.0.2.1")
    let passes = try (0..<3).map { _ in try #require(control.admit(greedy)) }
    #expect(control.admit(greedy) == nil)
    #expect(control.statistics.connectionsRefusedByPeer == 1)
    #expect(control.admit(try address("192.0.2.2")) != nil)
    passes[0].leave()
    passes[0].leave()
    #expect(control.admit(greedy) != nil)
    #expect(control.admit(greedy) == nil)
    #expect(control.statistics.openConnectionCount == 4)
  }

  @Test(arguments: [1, 5, 20])
  func `however much some peers take, a newcomer finds a place`(greedyCount: Int) throws {
    var limits = ServerLimits()
    limits.maximumConnectionCount = 100
    limits.maximumConnectionCountPerPeer = 100
    let control = makeControl(limits)
    for _ in 0..<200 {
      for peer in 1...greedyCount { _ = control.admit(try address("192.0.2.\(peer)")) }
    }
    let open = control.statistics.openConnectionCount
    #expect(open < 100)
    for newcomer in 1...3 { #expect(control.admit(try address("198.51.100.\(newcomer)")) != nil) }
  }

  @Test func `no more are taken than the system has descriptors for`() {
    var limits = ServerLimits()
    limits.distinguishesPeers = false
    let control = makeControl(limits, descriptorCount: 138)
    let passes = (0..<20).compactMap { _ in control.admit(nil) }
    #expect(passes.count == 10)
    #expect(control.statistics.connectionsRefusedForWant == 10)
  }

  @Test func `an IPv4 address is a peer, and so is the first part of an IPv6 address`() throws {
    func peer(_ text: String, _ bits: Int = 56) throws -> Peer? { Peer(try address(text), ipv6PrefixBitCount: bits) }
    #expect(try peer("192.0.2.1") == peer("192.0.2.1"))
    #expect(try peer("192.0.2.1") != peer("192.0.2.2"))
    #expect(try peer("::ffff:192.0.2.1") == peer("192.0.2.1"))
    #expect(try peer("2001:db8:1:200::1") == peer("2001:db8:1:2ff:1:2:3:4"))
    #expect(try peer("2001:db8:1:200::1") != peer("2001:db8:1:300::1"))
    #expect(try peer("2001:db8:1:200::1", 64) != peer("2001:db8:1:201::1", 64))
    #expect(try peer("2001:db8:1:200::1", 60) == peer("2001:db8:1:20f::1", 60))
    #expect(try peer("2001:db8:1:200::1", 60) != peer("2001:db8:1:210::1", 60))
    #expect(try peer("2001:db8:1:200::1", 500) != peer("2001:db8:1:200::2", 500))
    #expect(try peer("2001:db8:1:200::1", -1) == peer("::1", -1))
    #expect(Peer(nil, ipv6PrefixBitCount: 56) == nil)
  }

  @Test func `new connections, requests and failed streams each have their pace, and wait no longer than it takes`() throws {
    var limits = ServerLimits()
    limits.newConnections = Allowance(burst: 2, perMinute: 60)
    limits.requests = Allowance(burst: 10, perMinute: 60)
    limits.failedStreams = Allowance(burst: 1, perMinute: 6)
    let clock = ManualTime()
    let control = makeControl(limits, clock: clock)
    let here = try address("192.0.2.1")
    let pass = try #require(control.admit(here))
    _ = try #require(control.admit(here))
    #expect(control.admit(here) == nil)
    #expect(control.statistics.connectionsRefusedByRate == 1)
    clock.advance(seconds: 1)
    #expect(control.admit(here) != nil)

    #expect(pass.requestBegan() == nil)
    // What costs more than a burst costs a burst.
    #expect(pass.workBegins(30) == nil)
    #expect(pass.requestBegan() == ConnectionPass.Refusal(status: .tooManyRequests, retryAfter: 2))
    clock.advance(seconds: 1)
    #expect(pass.requestBegan() == nil)
    // Many may have begun by now, and each finds what the others have left.
    #expect(pass.workBegins(1) == nil)
    #expect(pass.workBegins(4) == ConnectionPass.Refusal(status: .tooManyRequests, retryAfter: 5))
    #expect(control.statistics.requestsRefusedByRate == 2)

    #expect(pass.mayOpenStream())
    pass.streamFailed()
    #expect(!pass.mayOpenStream())
    #expect(pass.streamRefusal == ConnectionPass.Refusal(status: .tooManyRequests, retryAfter: 11))
    clock.advance(seconds: 10)
    #expect(pass.mayOpenStream())
    #expect(pass.streamRefusal == nil)
    #expect(control.statistics.streamsRefusedByRate == 1)
  }

  @Test func `many who each take what they get leave room for who needs little`() throws {
    var limits = ServerLimits()
    limits.maximumHeldByteCount = 16 << 20
    let control = makeControl(limits)
    for number in 1...40 {
      let greedy = try #require(control.admit(try address("192.0.2.\(number)")))
      while greedy.hold(4_096) {}
    }
    let newcomer = try #require(control.admit(try address("192.0.2.99")))
    #expect(newcomer.hold(4_096))
    #expect(!newcomer.hold(65_536))
  }

  @Test func `bytes in memory are bounded together, and one peer leaves room for others`() throws {
    var limits = ServerLimits()
    limits.maximumHeldByteCount = 2_000
    let control = makeControl(limits)
    let one = try #require(control.admit(try address("192.0.2.1")))
    let same = try #require(control.admit(try address("192.0.2.1")))
    let other = try #require(control.admit(try address("192.0.2.2")))
    #expect(one.hold(400))
    #expect(!same.hold(201))
    #expect(same.hold(100))
    #expect(other.hold(200))
    #expect(!other.hold(301))
    #expect(control.statistics.heldByteCount == 700)
    one.release(1_000)
    #expect(control.statistics.heldByteCount == 300)
    // Who holds something lets go of it, also after the connection's end; nothing more is held then.
    same.leave()
    other.leave()
    #expect(!other.hold(1))
    #expect(control.statistics.heldByteCount == 300)
    same.release(100)
    other.release(1_000)
    #expect(control.statistics.heldByteCount == 0)
    #expect(control.statistics.refusedForMemoryCount == 2)
    #expect(control.knownPeerCount == 1)
  }

  @Test func `one peer has a share of the day's reports, and another one has its own`() throws {
    var limits = ServerLimits()
    limits.reportsPerDay = 3
    let clock = ManualTime()
    let control = makeControl(limits, clock: clock)
    let (one, other) = (try #require(control.admit(try address("192.0.2.1"))), try #require(control.admit(try address("192.0.2.2"))))
    for _ in 0..<3 { #expect(one.takeReport() == nil) }
    let refusal = try #require(one.takeReport())
    #expect(refusal.status == .tooManyRequests && (28_000...28_801).contains(refusal.retryAfter))
    #expect(other.takeReport() == nil)
    clock.advance(seconds: 8 * 3_600)
    #expect(one.takeReport() == nil)
    #expect(one.takeReport() != nil)
    clock.advance(seconds: 24 * 3_600)
    for _ in 0..<3 { #expect(one.takeReport() == nil) }
  }

  @Test(arguments: [1, 5, 7, 47, 48, 500, 721, 1_000, 1_440])
  func `a day has as many reports as were set, at once and one after the other`(count: Int) throws {
    var limits = ServerLimits()
    limits.reportsPerDay = count
    let clock = ManualTime()
    let control = makeControl(limits, clock: clock)
    let pass = try #require(control.admit(try address("192.0.2.1")))
    func takenCount() -> Int { (0..<2 * count).count { _ in pass.takeReport() == nil } }
    #expect(takenCount() == count)
    clock.advance(seconds: 86_400)
    #expect(takenCount() == count)
    var taken = 0
    for _ in 0..<86_400 / 30 {
      clock.advance(seconds: 30)
      if pass.takeReport() == nil { taken += 1 }
    }
    #expect(taken == count)
  }

  @Test func `a report that was turned away is given back, and none is given twice`() throws {
    var limits = ServerLimits()
    limits.reportsPerDay = 2
    let control = makeControl(limits)
    let pass = try #require(control.admit(try address("192.0.2.1")))
    for _ in 0..<9 {
      #expect(pass.takeReport() == nil)
      pass.giveBackReport()
    }
    pass.giveBackReport()
    for _ in 0..<2 { #expect(pass.takeReport() == nil) }
    #expect(pass.takeReport() != nil)
  }

  @Test func `the operator's port answers to names of this machine only`() {
    for host in ["localhost", "LOCALHOST:9464", "127.0.0.1", "127.0.0.1:9464", "127.9.9.9:1", "[::1]", "[::1]:9464"] {
      #expect(OperatorHandler.isOfThisMachine([host]), "\(host)")
    }
    for host in [
      "", "example.org", "localhost.example.org", "127.0.0.1.example.org:80", "192.0.2.1", "[::1", "::1", "[2001:db8::1]:1", "1",
    ] {
      #expect(!OperatorHandler.isOfThisMachine([host]), "\(host)")
    }
    #expect(!OperatorHandler.isOfThisMachine([]))
    #expect(!OperatorHandler.isOfThisMachine(["localhost", "example.org"]))
  }

  @Test func `limits may be replaced`() throws {
    var limits = ServerLimits()
    limits.maximumConnectionCount = 1
    let control = makeControl(limits)
    _ = try #require(control.admit(nil))
    #expect(control.admit(nil) == nil)
    limits.maximumConnectionCount = 2
    control.replaceLimits(with: limits)
    #expect(control.admit(nil) != nil)
    #expect(control.limits == limits)
  }

  @Test func `a full table of descriptors pauses the acceptance and ends nothing`() throws {
    let channel = EmbeddedChannel()
    let reads = Mutex(0)
    let later = Errors()
    try channel.pipeline.syncOperations.addHandlers([Reads { reads.withLock { $0 += 1 } }, AcceptErrors(), later])
    channel.pipeline.fireErrorCaught(IOError(errnoCode: 24, reason: "accept"))
    channel.pipeline.fireErrorCaught(IOError(errnoCode: 103, reason: "accept"))
    #expect(later.count == 0)
    let before = reads.withLock { $0 }
    channel.pipeline.read()
    channel.pipeline.read()
    #expect(reads.withLock { $0 } == before)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(reads.withLock { $0 } == before + 1)
    channel.pipeline.read()
    #expect(reads.withLock { $0 } == before + 2)
    channel.pipeline.fireErrorCaught(IOError(errnoCode: 9, reason: "accept"))
    #expect(later.count == 1)
  }
}

/// Microseconds that pass when they are told to.
final class ManualTime: Sendable {
  private let time = Mutex<UInt64>(1_000_000_000)

  var microseconds: UInt64 { time.withLock { $0 } }

  func advance(seconds: UInt64) { time.withLock { $0 += seconds * 1_000_000 } }
}

private final class Reads: ChannelOutboundHandler {
  typealias OutboundIn = Never
  private let note: () -> Void

  init(_ note: @escaping () -> Void) { self.note = note }

  func read(context: ChannelHandlerContext) {
    note()
    context.read()
  }
}

private final class Errors: ChannelInboundHandler {
  typealias InboundIn = Any
  var count = 0

  func errorCaught(context: ChannelHandlerContext, error: any Error) { count += 1 }
}
