import CryptoSuite
import SottoProtocol
import Testing

@testable import ConversationEngine

@Suite struct DeliveryKeyTests {
  let random = SeededRandom(seed: 8)

  func server(keys: Int) throws -> ServerRecord {
    let address = try #require(ServerAddress(host: "example.org", port: 1, serverKey: .random(using: random)))
    var record = ServerRecord(
      address: address, mailbox: .random(using: random), ownerKey: SignatureAlgorithm.ed25519.generateKey(using: random),
      sealKey: FirstContact.suite.generateKeyPair(using: random))
    record.deliveryKeys = (0..<keys).map { _ in .random(using: random) }
    return record
  }

  @Test(arguments: [(0, 16), (1, 16), (16, 16), (17, 32), (100, 112)])
  func `their number is hidden in a multiple of sixteen`(keys: Int, total: Int) throws {
    let record = try server(keys: keys)
    #expect(record.paddedDeliveryKeys.count == total)
    #expect(Set(record.deliveryKeys).isSubset(of: Set(record.paddedDeliveryKeys)))
  }

  @Test func `the filling stays the same, so two copies of the set do not tell it apart`() throws {
    var record = try server(keys: 3)
    let before = Set(record.paddedDeliveryKeys)
    #expect(Set(record.paddedDeliveryKeys) == before)
    record.deliveryKeys.append(.random(using: random))
    let after = Set(record.paddedDeliveryKeys)
    #expect(after.count == before.count)
    #expect(after.intersection(before).count == before.count - 1)
  }

  @Test func `the order tells nothing`() throws {
    let padded = try server(keys: 5).paddedDeliveryKeys.map(\.bytes)
    #expect(padded == padded.sorted { $0.lexicographicallyPrecedes($1) })
  }
}
