import CryptoSuite
import SottoProtocol
import Testing

@testable import ConversationEngine
@testable import SottoKit

extension ServerSession.Action {
  /// For comparing.
  var words: String {
    switch self {
    case .identify: "identify"
    case .openStream: "open"
    case .attach: "attach"
    case .send(.acknowledge(let cursor)): "acknowledge \(cursor)"
    case .send: "send"
    case .call(let id, _): "call \(id)"
    case .process(let cursor, _): "process \(cursor)"
    case .refreshStatement(let id): "refresh \(id)"
    case .complete(let id, let result): "complete \(id) \(result.words)"
    case .caughtUp: "caught up"
    case .fellBehind: "fell behind"
    case .closeStream: "close"
    case .pause: "pause"
    case .patience: "patience"
    }
  }
}

extension WorkResult {
  var words: String {
    switch self {
    case .answer: "answer"
    case .done(let outcome): "\(outcome)"
    case .vouchers(let vouchers): "vouchers \(vouchers.count)"
    case .issued(let signatures): "issued \(signatures.count)"
    case .identified: "identified"
    case .failed: "failed"
    }
  }
}

/// A session with the time of the pauses that it asked for.
struct SessionDriver {
  static let serverKey = PublicKey32(trusted: [UInt8](repeating: 1, count: 32))

  var session: ServerSession
  var pauses: [UInt64] = []

  init(seed: UInt64 = 1) {
    session = ServerSession(random: SeededRandom(seed: seed))
  }

  @discardableResult
  mutating func feed(_ events: ServerSession.Event...) -> [String] {
    var words: [String] = []
    for event in events {
      for action in session.receive(event) {
        if case .pause(let milliseconds) = action { pauses.append(milliseconds) }
        words.append(action.words)
      }
    }
    return words
  }

  /// From nothing to an attached stream.
  mutating func attach() {
    feed(.streamWanted, .identified, .opened, .hello, .message(.attached))
  }
}

extension ServerSession.Event {
  static var hello: Self {
    .message(.hello(serverKey: SessionDriver.serverKey, nonce: [UInt8](repeating: 0, count: 32)))
  }

  static func call(_ id: UInt64) -> Self {
    .work(work(id, .call(.claim(capability: permission, id: ClaimID(trusted: [UInt8](repeating: 3, count: ClaimID.byteCount))))))
  }

  static func identify(_ id: UInt64) -> Self { .work(work(id, .identify)) }

  static func issue(_ id: UInt64) -> Self {
    .work(work(id, .owner(.issue(id: UInt32(id), issuerKey: KeyHash(trusted: [UInt8](repeating: 4, count: 32)), blinded: []))))
  }

  static func owner(_ id: UInt64) -> Self { .work(work(id, .owner(.vouchers(id: UInt32(id), count: 1)))) }

  private static var permission: Permission { Permission(trusted: [UInt8](repeating: 2, count: 32)) }

  private static func work(_ id: UInt64, _ action: Work.Action) -> Work {
    let address = ServerAddress(host: "example.org", port: 1, serverKey: SessionDriver.serverKey)
    guard let address else { preconditionFailure("the address is a good one") }
    return Work(id: id, server: address, action: action)
  }
}

@Suite struct ServerSessionTests {
  @Test func `a server proves itself before anything else is said to it`() {
    var driver = SessionDriver()
    #expect(driver.feed(.call(1), .owner(2)) == ["identify"])
    #expect(driver.session.status == .connecting)
    #expect(driver.feed(.opened, .hello, .message(.attached)) == ["close", "pause"])
  }

  @Test func `calls go out once the server is proven, without a mailbox there`() {
    var driver = SessionDriver()
    #expect(driver.feed(.call(1)) == ["identify"])
    #expect(driver.feed(.identified) == ["call 1"])
    #expect(driver.feed(.call(2)) == ["call 2"])
    #expect(driver.session.isCaughtUp)
    #expect(driver.feed(.streamWanted) == ["open"])
    #expect(!driver.session.isCaughtUp)
  }

  @Test func `a stream is opened, greeted, attached and drained`() {
    var driver = SessionDriver()
    #expect(driver.feed(.streamWanted) == ["identify"])
    #expect(driver.feed(.identified) == ["open"])
    #expect(driver.feed(.opened) == ["patience"])
    #expect(driver.feed(.hello) == ["attach"])
    #expect(driver.feed(.message(.attached)) == [])
    #expect(driver.session.status == .connected(isCaughtUp: false))
    #expect(driver.feed(.message(.envelope(cursor: [1], sealed: [9]))) == ["process [1]"])
    #expect(driver.feed(.message(.drained)) == ["caught up"])
    #expect(driver.session.isCaughtUp)
    // Once for each stream.
    #expect(driver.feed(.message(.envelope(cursor: [2], sealed: [9])), .message(.drained)) == ["process [2]"])
    #expect(driver.feed(.failed(.unreachable)) == ["close", "fell behind", "pause"])
  }

  @Test func `an envelope is acknowledged when it was processed, and not before`() {
    var driver = SessionDriver()
    driver.attach()
    #expect(driver.feed(.message(.envelope(cursor: [1], sealed: [9]))) == ["process [1]"])
    #expect(driver.feed(.processed(cursor: [1])) == ["acknowledge [1]"])
    driver.feed(.failed(.unreachable))
    #expect(driver.feed(.processed(cursor: [2])) == [])
  }

  @Test func `owner messages wait for the stream, and their answers find their work`() {
    var driver = SessionDriver()
    driver.feed(.streamWanted, .owner(7), .identified, .opened, .hello)
    #expect(driver.feed(.message(.attached)) == ["send"])
    #expect(driver.feed(.owner(8)) == ["send"])
    #expect(driver.feed(.message(.done(id: 7, outcome: .done))) == ["complete 7 done"])
    #expect(driver.feed(.message(.vouchers(id: 8, []))) == ["complete 8 vouchers 0"])
    #expect(driver.feed(.message(.done(id: 8, outcome: .done))) == [])
  }

  @Test func `work ids beyond 32 bits are found by what the messages carry of them`() {
    var driver = SessionDriver()
    driver.attach()
    driver.feed(.owner(1))
    let id = UInt64(UInt32.max) + 6
    let message = OwnerMessage.vouchers(id: 5, count: 1)
    if case .work(let work) = ServerSession.Event.owner(1) {
      driver.feed(.work(Work(id: id, server: work.server, action: .owner(message))))
    }
    #expect(driver.feed(.message(.done(id: 5, outcome: .refused))) == ["complete \(id) refused"])
  }

  @Test func `a lost stream gives back what was not answered, and begins anew after a pause`() {
    var driver = SessionDriver()
    driver.attach()
    driver.feed(.owner(7), .owner(8), .message(.done(id: 7, outcome: .done)))
    #expect(driver.feed(.failed(.unreachable)) == ["close", "complete 8 failed", "pause"])
    #expect(driver.session.status == .waiting(.unreachable))
    // Held while nobody is there.
    #expect(driver.feed(.owner(9), .call(10)) == [])
    #expect(driver.feed(.failed(.unreachable)) == [])
    #expect(driver.feed(.pauseEnded) == ["identify"])
    #expect(driver.feed(.identified) == ["open", "call 10"])
    #expect(driver.feed(.opened, .hello, .message(.attached)) == ["patience", "attach", "send"])
  }

  @Test func `a server that opens a stream and then says nothing is given up`() {
    for isGreeted in [false, true] {
      var driver = SessionDriver()
      driver.feed(.streamWanted, .identified, .opened)
      if isGreeted { driver.feed(.hello) }
      #expect(driver.feed(.patienceEnded) == ["close", "pause"])
      #expect(driver.session.status == .waiting(.unreachable))
    }
    var driver = SessionDriver()
    driver.attach()
    #expect(driver.feed(.patienceEnded) == [])
  }

  @Test func `what a server must not say at this point ends the connection`() {
    let messages: [ServerMessage] = [
      .attached, .drained, .refused, .envelope(cursor: [], sealed: []), .done(id: 1, outcome: .done),
    ]
    for message in messages {
      var driver = SessionDriver()
      driver.feed(.streamWanted, .identified, .opened)
      #expect(driver.feed(.message(message)) == ["close", "pause"])
      #expect(driver.session.problem == .notUnderstood)
    }
    var driver = SessionDriver()
    driver.attach()
    #expect(driver.feed(.hello) == ["close", "pause"])
  }

  @Test func `a refused mailbox is told apart from a broken connection`() {
    var driver = SessionDriver()
    driver.feed(.streamWanted, .identified, .opened, .hello)
    #expect(driver.feed(.message(.refused)) == ["close", "pause"])
    #expect(driver.session.status == .waiting(.mailboxRefused))
  }

  @Test func `a call that meets other keys than the proven ones has the server prove itself again`() {
    var driver = SessionDriver()
    driver.attach()
    #expect(driver.feed(.callFailed(.unreachable)) == [])
    #expect(driver.feed(.callFailed(.notThisServer)) == ["close", "pause"])
    #expect(driver.feed(.pauseEnded) == ["identify"])
  }

  @Test func `attempts are told apart`() {
    var driver = SessionDriver()
    driver.feed(.streamWanted)
    let first = driver.session.attempt
    driver.feed(.failed(.unreachable))
    #expect(driver.session.attempt != first)
    let pausing = driver.session.attempt
    driver.feed(.pauseEnded)
    #expect(driver.session.attempt != pausing)
  }

  @Test func `pauses grow to a minute, with jitter, and begin anew after success`() {
    var driver = SessionDriver()
    driver.feed(.streamWanted)
    for failure in 0..<20 {
      driver.feed(.failed(.unreachable))
      let bound: UInt64 = min(60_000, 500 << UInt64(min(failure, 16)))
      let pause = driver.pauses[failure]
      #expect(pause >= bound / 2 && pause <= bound)
      #expect(driver.session.failureCount == failure + 1)
      driver.feed(.pauseEnded)
    }
    driver.feed(.identified, .opened, .hello, .message(.attached))
    #expect(driver.session.failureCount == 0)
    #expect(driver.session.problem == nil)
    driver.feed(.failed(.unreachable))
    #expect((driver.pauses.last ?? 0) <= 500)

    var other = SessionDriver(seed: 2)
    other.feed(.streamWanted)
    for _ in 0..<20 { other.feed(.failed(.unreachable), .pauseEnded) }
    #expect(Array(driver.pauses.prefix(20)) != other.pauses)
  }

  @Test func `proving itself is no success while the stream cannot be opened`() {
    var driver = SessionDriver()
    driver.feed(.streamWanted)
    for _ in 0..<3 { driver.feed(.identified, .failed(.refusing), .pauseEnded) }
    #expect(driver.session.failureCount == 3)
    #expect(driver.session.status == .waiting(.refusing))
  }

  @Test func `a busy server is left alone for as long as it asks, up to five minutes`() {
    var driver = SessionDriver()
    driver.feed(.streamWanted)
    let asked: [Int?] = [7, nil, -1, .max]
    for seconds in asked { driver.feed(.identified, .failed(.busy(retryAfterSeconds: seconds)), .pauseEnded) }
    let bases = driver.pauses.enumerated().map { index, pause in pause - UInt64([7, 0, 0, 300][index]) * 1_000 }
    #expect(bases.count == 4)
    for (index, base) in bases.enumerated() { #expect((250 << UInt64(index)...500 << UInt64(index)).contains(base)) }
    #expect(driver.session.status == .waiting(.busy(retryAfterSeconds: .max)))
  }

  @Test func `an hour of a server that comes and goes loses no work`() {
    var random = SeededRandomNumbers(seed: 5)
    var driver = SessionDriver(seed: 3)
    var inCalls: Set<UInt64> = []
    var inMessages: Set<UInt64> = []
    var answered = 0
    driver.feed(.streamWanted)
    for id in 1...2_000 as ClosedRange<UInt64> {
      let words: [String]
      switch random.next(below: 8) {
      case 0: words = driver.feed(.failed(.unreachable))
      case 1, 2: words = driver.feed(.pauseEnded, .identified, .opened, .hello, .message(.attached))
      case 3, 4:
        inMessages.insert(id)
        words = driver.feed(.owner(id))
      case 5:
        inCalls.insert(id)
        words = driver.feed(.call(id))
      default:
        guard let waiting = inMessages.min() else { continue }
        words = driver.feed(.message(.done(id: UInt32(waiting), outcome: .done)))
      }
      for word in words {
        let parts = word.split(separator: " ")
        guard parts.count >= 2, let done = UInt64(parts[1]) else { continue }
        if parts[0] == "call" { inCalls.remove(done) }
        if parts[0] == "complete" {
          inMessages.remove(done)
          answered += 1
        }
      }
    }
    // What is still out is held, or awaits its answer, and comes back when the connection is lost.
    let out = inMessages
    driver.feed(.failed(.unreachable), .pauseEnded, .identified, .opened, .hello, .message(.attached))
    let last = driver.feed(.failed(.unreachable)).filter { $0.hasPrefix("complete") }
    #expect(answered > 100)
    #expect(last.count <= out.count)
    #expect(Set(last.compactMap { UInt64($0.split(separator: " ")[1]) }).isSubset(of: out))
    driver.feed(.pauseEnded, .identified)
    #expect(driver.feed(.call(9_999)) == ["call 9999"])
  }

  @Test func `a statement that is wanted comes with the proof at the beginning, and is fetched again later`() {
    var driver = SessionDriver()
    #expect(driver.feed(.identify(4)) == ["identify"])
    #expect(driver.feed(.identified) == ["complete 4 identified"])
    #expect(driver.feed(.identify(5)) == ["refresh 5"])
    driver.attach()
    #expect(driver.feed(.identify(6)) == ["refresh 6"])
    // While nothing is proven it waits for the next proof.
    driver.feed(.failed(.unreachable))
    #expect(driver.feed(.identify(7)) == [])
    driver.feed(.pauseEnded)
    #expect(driver.feed(.identified).contains("complete 7 identified"))
  }

  @Test func `signed tokens are handed to the work that asked for them`() {
    var driver = SessionDriver()
    driver.attach()
    driver.feed(.issue(9))
    #expect(driver.feed(.message(.issued(id: 9, []))) == ["complete 9 issued 0"])
    #expect(driver.feed(.message(.issued(id: 9, []))) == [])
  }
}

/// Numbers from a seed.
struct SeededRandomNumbers {
  private let random: SeededRandom

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func next(below bound: Int) -> Int {
    Int(random.bytes(4).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } % UInt64(bound))
  }
}
