import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

/// Tokens and files: whatever fails in between, nobody pays for what is not there, and nobody has for nothing what is.
@Suite struct ObjectPaymentTests {
  private let store = InMemoryMailboxStore()
  private let objects = InMemoryObjectStore()
  private let server: EngineFixture
  private let writeKey: Permission
  private let token: Token
  private static let made = Answer.object(ObjectState(byteCount: 0, isFinished: false))

  init() throws {
    server = try EngineFixture(store: store, objects: objects)
    writeKey = .random(using: server.random)
    token = try server.token()
  }

  private func create(_ writeKey: Permission, _ tokens: [Token]) -> Request {
    .object(.create(writeKey: writeKey, byteCount: 100, days: 30, tokens: tokens))
  }

  @Test(arguments: CrashPlan.all(atWrite: 1) + CrashPlan.all(atWrite: 2))
  func `wherever the server dies while it is paid, the same request succeeds afterwards, and the token pays for no other`(
    _ plan: CrashPlan
  ) async throws {
    store.plan(plan)
    #expect(try await server.call(create(writeKey, [token])) == .busy)
    store.reopen()
    let restarted = server.restarted(over: store)
    #expect(try await restarted.call(create(writeKey, [token])) == Self.made)
    #expect(try await restarted.call(create(writeKey, [token])) == Self.made)
    #expect(objects.count == 1)
    let random = server.random
    let log = Request.createLog(
      token: token, handle: .random(using: random), writeKeyHash: .random(using: random), administratorKeys: [.random(using: random)])
    let isPaid = try await restarted.call(log) == .tokenRefused
    // A file that stands unpaid is the only one that a crash can give away: its token was not spent.
    #expect(isPaid || plan.failure == .outcomeUnknown)
  }

  @Test func `a store of files that fails or is full costs no token`() async throws {
    let failing = FailingObjectStore(objects)
    let server = try EngineFixture(store: store, objects: failing)
    let token = try server.token()
    for (failure, answer) in [(FailingObjectStore.Failure.full, Answer.overQuota), (.unknown, .busy)] {
      failing.failure = failure
      #expect(try await server.call(create(writeKey, [token])) == answer)
    }
    failing.failure = nil
    #expect(try await server.call(create(writeKey, [token])) == Self.made)
  }

  @Test func `a spent token makes no file, not even for a moment`() async throws {
    #expect(try await server.call(create(writeKey, [token])) == Self.made)
    let counting = FailingObjectStore(objects)
    let other = try EngineFixture(store: store, objects: counting)
    #expect(try await other.call(create(.random(using: server.random), [token])) == .tokenRefused)
    #expect(counting.creationCount == 0)
    #expect(objects.count == 1)
  }

  @Test func `of two files for one token, asked for at once, one is there in the end, and it is paid`() async throws {
    for _ in 0..<20 {
      let token = try server.token()
      let before = objects.count
      let answers = try await withThrowingTaskGroup { group in
        for _ in 0..<8 {
          let writeKey = Permission.random(using: server.random)
          group.addTask { try await server.call(create(writeKey, [token])) }
        }
        return try await group.reduce(into: [Answer]()) { $0.append($1) }
      }
      #expect(answers.count { $0 == Self.made } == 1)
      #expect(answers.count { $0 == .tokenRefused } == 7)
      #expect(objects.count == before + 1)
    }
  }

  @Test func `one request that arrives eight times at once makes one file and keeps it`() async throws {
    let answers = try await withThrowingTaskGroup { group in
      for _ in 0..<8 { group.addTask { try await server.call(create(writeKey, [token])) } }
      return try await group.reduce(into: [Answer]()) { $0.append($1) }
    }
    #expect(answers.contains(Self.made))
    #expect(answers.allSatisfy { $0 == Self.made || $0 == .tokenRefused })
    #expect(objects.count == 1)
    #expect(try await server.call(.object(.state(writeKey: writeKey))) == Self.made)
  }
}

/// A store of files that fails when it is told to.
private final class FailingObjectStore: ObjectStore {
  enum Failure { case full, unknown }

  private let inner: InMemoryObjectStore
  private let state = Mutex<(failure: Failure?, creations: Int)>((nil, 0))

  init(_ inner: InMemoryObjectStore) { self.inner = inner }

  var failure: Failure? {
    get { state.withLock { $0.failure } }
    set { state.withLock { $0.failure = newValue } }
  }

  var creationCount: Int { state.withLock { $0.creations } }

  func hasRoom(for byteCount: UInt64) async throws(StoreFailure) -> Bool { try await inner.hasRoom(for: byteCount) }

  func state(of name: StoredName, today: Day) async throws(StoreFailure) -> ObjectState? {
    try await inner.state(of: name, today: today)
  }

  func create(_ object: NewObject, today: Day) async throws(StoreFailure) -> ObjectCreation {
    state.withLock { $0.creations += 1 }
    switch failure {
    case .full: return .overQuota
    case .unknown: throw .outcomeUnknown
    case nil: return try await inner.create(object, today: today)
    }
  }

  func write(_ bytes: [UInt8], to name: StoredName, at offset: UInt64, today: Day) async throws(StoreFailure) -> ObjectOutcome {
    try await inner.write(bytes, to: name, at: offset, today: today)
  }

  func finish(_ name: StoredName, today: Day) async throws(StoreFailure) -> ObjectOutcome {
    try await inner.finish(name, today: today)
  }

  func read(_ name: StoredName, at offset: UInt64, count: Int, today: Day) async throws(StoreFailure) -> [UInt8]? {
    try await inner.read(name, at: offset, count: count, today: today)
  }

  func delete(_ name: StoredName, today: Day) async throws(StoreFailure) -> Bool { try await inner.delete(name, today: today) }

  func expire(today: Day) async throws(StoreFailure) { try await inner.expire(today: today) }
}
