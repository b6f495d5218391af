import CryptoSuite
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import MailboxEngine

/// What the copies of sends and appends take in memory.
@Suite struct CopyMemoryTests {
  private let store = InMemoryMailboxStore()
  private let server: EngineFixture

  init() throws { server = try EngineFixture(store: store) }

  @Test func `a large send is sealed and written some copies at a time, which are counted`() async throws {
    let key = Permission.random(using: server.random)
    var mailboxes: [TestMailbox] = []
    for _ in 0..<40 { mailboxes.append(try await server.makeMailbox(deliveryKeys: [key])) }
    let seen = Mutex<[(copies: [SealedCopy], free: Int)]>([])
    store.observeAppends { [server] copies in
      seen.withLock { $0.append((copies, server.engine.copyMemory.freeByteCount)) }
      // What is sealed after this expires a day later.
      server.clock.advance(days: 1)
    }
    let frame = server.random.bytes(Limits.frameByteCount)
    let answer = try await server.call(
      .send(id: .random(using: server.random), frame: frame, recipients: mailboxes.map { $0.recipient(key) }))
    #expect(answer == .sent(mailboxes.map { _ in .accepted }))
    let batches = seen.withLock { $0 }
    #expect(batches.count == 2 && batches.reduce(0) { $0 + $1.copies.count } == 40)
    for (batch, held) in batches {
      let byteCount = batch.reduce(0) { $0 + $1.sealed.count }
      #expect(byteCount <= ServerLimits.sendBatchByteCount)
      #expect(ServerLimits.copiesByteCount - held >= byteCount, "they are counted")
      #expect(ServerLimits.copiesByteCount - held <= ServerLimits.sendBatchByteCount, "and no others")
    }
    #expect(batches[1].copies.allSatisfy { $0.expires > batches[0].copies[0].expires }, "sealed when the first were written")
    #expect(server.engine.copyMemory.freeByteCount == ServerLimits.copiesByteCount)
    for mailbox in [mailboxes[0], mailboxes[39]] { #expect(try await server.attach(mailbox).frames() == [frame]) }
  }

  @Test func `a recipient whose mailbox has no usable key is refused, and hides nobody behind it`() async throws {
    let random = server.random
    let pair = HPKESuite(kem: .x25519, hash: .sha256, aead: .aes256GCM).generateKeyPair(using: random)
    let (good, bad) = (PublicKey32(trusted: pair.publicKey), PublicKey32(trusted: [UInt8](repeating: 0, count: 32)))
    let recipients = (0..<9).map { _ in Recipient(mailbox: .random(using: random), deliveryKey: .random(using: random)) }
    let targets = recipients.map { _ in DeliveryTarget(mailbox: .random(using: random), deliveryKey: .random(using: random)) }
    let fanOut = FanOut(
      recipients, targets: targets, grants: (0..<9).map { DeliveryGrant(sealKey: $0.isMultiple(of: 3) ? bad : good) }, random: random
    ) {
      DeliveryMeter(DeliveryLimits()).admit($0, byteCount: 1, isOwnerPresent: true, at: 0)
    }
    let sealed = await fanOut.seal(0..<9, Envelope(source: .send, frame: server.frame()), expires: Day(number: 1)) { _ in nil }
    #expect(sealed.copies.count == 6)
    let outcomes = sealed.outcomes(sealed.copies.map { _ in .accepted })
    #expect(fanOut.answers(outcomes) == (0..<9).map { $0.isMultiple(of: 3) ? .refused : .accepted })
  }

  @Test func `an append whose copies are too many for one transaction is refused`() async throws {
    let (handle, writeKey) = (HandleID.random(using: server.random), Permission.random(using: server.random))
    let administrator = SignatureAlgorithm.ed25519.generateKey(using: server.random)
    let created = try await server.call(
      .createLog(
        token: try server.token(), handle: handle, writeKeyHash: writeKey.hash,
        administratorKeys: [PublicKey32(trusted: administrator.publicKey)]))
    #expect(created == .created)
    let entry = server.random.bytes(Limits.frameByteCount)
    func append(to count: Int) async throws -> Answer {
      let recipients = (0..<count).map { _ in
        Recipient(mailbox: .random(using: server.random), deliveryKey: .random(using: server.random))
      }
      return try await server.call(
        .append(
          LogAppend(handle: handle, slot: 0, writeKey: writeKey, entry: entry, rotation: nil, groupInfo: [], recipients: recipients)))
    }
    #expect(try await append(to: 128) == .refused)
    // What a conversation of our own clients needs is far from it.
    #expect(try await append(to: Limits.conversationDeviceCount) == .appended((0..<Limits.conversationDeviceCount).map { _ in .refused }))
  }

  // MARK: The count itself

  private final class Log: Sendable {
    private let state = Mutex((now: 0, most: 0, names: [Int]()))

    var most: Int { state.withLock { $0.most } }
    var names: [Int] { state.withLock { $0.names } }

    func add(_ count: Int) {
      state.withLock { state in
        state.now += count
        state.most = max(state.most, state.now)
      }
    }

    func note(_ name: Int) { state.withLock { $0.names.append(name) } }
  }

  @Test func `however many ask, no more is held than there is, and everybody gets it`() async {
    let (memory, log) = (CopyMemory(byteCount: 100), Log())
    // The last of every ten wants more than there is.
    let tasks = (0..<400).map { number in
      let wanted = number % 10 == 9 ? 1_000 : number % 70
      return Task {
        await memory.hold(wanted) {
          log.add(min(wanted, 100))
          await Task.yield()
          log.add(-min(wanted, 100))
        }
      }
    }
    for task in tasks { await task.value }
    #expect(log.most == 100)
    #expect(memory.freeByteCount == 100 && memory.waitingCount == 0)
  }

  @Test func `who wants little does not overtake who waits for much`() async {
    let (memory, log) = (CopyMemory(byteCount: 100), Log())
    let (opened, open) = AsyncStream<Void>.makeStream()
    let first = Task { await memory.hold(60) { for await _ in opened {} } }
    while memory.freeByteCount == 100 { await Task.yield() }
    let second = Task { await memory.hold(60) { log.note(2) } }
    while memory.waitingCount < 1 { await Task.yield() }
    let third = Task { await memory.hold(10) { log.note(3) } }
    while memory.waitingCount < 2 { await Task.yield() }
    #expect(log.names.isEmpty)
    open.finish()
    for task in [first, second, third] { await task.value }
    #expect(Set(log.names) == [2, 3] && memory.freeByteCount == 100)
  }

  @Test func `what ends with an error is given back`() async {
    let memory = CopyMemory(byteCount: 100)
    func fail() async throws(StoreFailure) -> Int { throw .noRoom }
    for _ in 0..<3 {
      do throws(StoreFailure) {
        _ = try await memory.hold(80, fail)
        Issue.record("it has to fail")
      } catch {
        #expect(error == .noRoom)
      }
    }
    #expect(memory.freeByteCount == 100)
  }
}
