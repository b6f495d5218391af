import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import ServerStorage

/// A name that is not there is answered out of another one's row, so that it takes as long.
@Suite struct AbsentPlaceTests {
  private let server: TemporaryServer
  private let random = SeededRandom(seed: 67)

  init() throws { server = try TemporaryServer() }

  @Test func `what is not there is nil between rows, behind the last one, and beside damaged ones`() async throws {
    let store = try server.openStore()
    #expect(try await store.ownerKey(of: .random(using: random)) == nil)
    let workload = Workload(random: random)
    var targets: [DeliveryTarget] = []
    for _ in 0..<3 { targets.append(try await workload.target(in: store)) }
    for _ in 0..<40 { #expect(try await store.ownerKey(of: .random(using: random)) == nil) }
    for target in targets { #expect(try await store.ownerKey(of: target.mailbox) != nil) }
    try await store.pool.write { try $0.execute(sql: "UPDATE mailboxes SET sealed = zeroblob(1200)") }
    for _ in 0..<40 { #expect(try await store.ownerKey(of: .random(using: random)) == nil) }
    for target in targets {
      await #expect(throws: StoreFailure.unavailable) { try await store.ownerKey(of: target.mailbox) }
    }
    try store.close()
  }
}
