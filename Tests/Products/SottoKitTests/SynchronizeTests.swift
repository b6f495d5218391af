import CryptoSuite
import DeviceStorage
import Foundation
import SottoProtocol
import Testing

@testable import ConversationEngine
@testable import SottoKit

/// When `synchronize` ends, with a server's part played by hand.
@Suite struct SynchronizeTests {
  private let directory = FileManager.default.temporaryDirectory.appending(path: "synchronize-\(UUID().uuidString)")
  private let address: ServerAddress

  init() throws {
    address = try #require(ServerAddress(host: "example.org", port: 1, serverKey: SessionDriver.serverKey))
  }

  /// A profile with a mailbox and a group, and with what `change` makes of them, whose stream is attached and has yet to bring what waits.
  private func profile(_ change: (inout DeviceState, ConversationID) -> Void) async throws -> (sotto: Sotto, group: ConversationID) {
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let key = ProfileKey.keyFile(path: directory.appending(path: "key").path)
    let place = directory.appending(path: "profile").path
    let store = try EncryptedDeviceStore.create(directory: place, key: key.fresh())
    let link = RegistrationLink(server: address, voucher: .random(using: SystemRandom()))
    var engine = try ConversationEngine.create(name: "Ada", registration: link, store: store, random: SystemRandom(), now: 1).engine
    try engine.transact { (state) throws(EngineError) in
      guard var record = state.servers[address.serverKey] else { return }
      record.isRegistered = true
      state.setServer(record, address.serverKey)
    }
    let group = try engine.createGroup(title: "choir", inviting: [], now: 1)
    try engine.transact { (state) throws(EngineError) in
      state.removeTasks { _ in true }
      change(&state, group)
    }
    store.close()
    let sotto = try await Sotto.open(place, key: key)
    await sotto.attach(at: address)
    return (sotto, group)
  }

  private func end(_ sotto: Sotto) async throws {
    await sotto.close()
    try FileManager.default.removeItem(at: directory)
  }

  @Test(arguments: HoldUp.allCases)
  func `whatever a server does not do for a while, all that waits arrives before that is said`(holdUp: HoldUp) async throws {
    let (sotto, group) = try await profile { state, group in
      switch holdUp {
      case .serverFull, .logFull: state.hold(state.addTask(.append(group)), holdUp)
      case .quotaUsedUp:
        state.addTask(.createLog(group, token: nil))
        state.hold(state.addTask(.refill(server: address.serverKey, batch: nil)), holdUp)
      }
    }
    let call = Task { try await sotto.synchronize(timeout: .seconds(600)) }
    await sotto.untilWaiting(1)
    let said: Event =
      switch holdUp {
      case .serverFull: .serverFull(address)
      case .logFull: .logFull(group)
      case .quotaUsedUp: .quotaUsedUp(address)
      }
    await sotto.lookForWaiters([said])
    #expect(await sotto.waiterCount == 1, "what waits at the server has not arrived")
    await sotto.drain(at: address)
    await #expect(throws: SottoError(holdUp)) { try await call.value }
    try await end(sotto)
  }

  @Test func `of two calls at once, each says what it has heard itself`() async throws {
    let (sotto, _) = try await profile { state, group in
      let invitation = MessageID.random(using: SystemRandom())
      let invitee = state.profile.log.identity
      guard var conversation = state.conversations[group] else { return }
      conversation.invited[invitation] = invitee
      state.setConversation(conversation)
      let task = state.addTask(.vouchers(server: address.serverKey, for: .groupInvitation(group, invitee: invitee, id: invitation)))
      state.hold(task, .serverFull)
    }
    let first = Task { try await sotto.synchronize(timeout: .seconds(600)) }
    await sotto.untilWaiting(1)
    await sotto.lookForWaiters([.serverFull(address)])
    let second = Task { try await sotto.synchronize(timeout: .seconds(600)) }
    await sotto.untilWaiting(2)
    await sotto.drain(at: address)
    await #expect(throws: SottoError.serverFull) { try await first.value }
    await #expect(throws: Never.self) { try await second.value }
    try await end(sotto)
  }
}

extension DeviceState {
  /// As after a server's answer, a while ago.
  fileprivate mutating func hold(_ id: UInt64, _ holdUp: HoldUp) {
    guard var task = tasks.first(where: { $0.id == id }) else { return }
    task.heldUp = holdUp
    updateTask(task)
  }
}

extension Sotto {
  /// As when a server has taken the stream, without one.
  fileprivate func attach(at address: ServerAddress) {
    isOnline = true
    var driver = SessionDriver()
    driver.attach()
    servers[address] = Server(session: driver.session, wire: ServerWire(address: address))
  }

  /// The server says that nothing waits any more.
  fileprivate func drain(at address: ServerAddress) {
    _ = servers[address]?.session.receive(.message(.drained))
    lookForWaiters([])
  }

  fileprivate var waiterCount: Int { waiters.count }

  fileprivate func untilWaiting(_ count: Int) async {
    // Bounded, so that a call that ended too early is a failure and no hang.
    for _ in 0..<1_000_000 where waiterCount < count { await Task.yield() }
    #expect(waiterCount == count)
  }
}
