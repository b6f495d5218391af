import Foundation
import MailboxEngine
import Testing

@testable import ServerStorage

@Suite struct IssuerFileTests {
  private let server: TemporaryServer
  private let today = Day(number: 219 * IssuerKeyPair.quarterDays + 5)

  init() throws { server = try TemporaryServer() }

  private func keys(_ day: Day) throws -> [IssuerKeyPair] { try server.directory.issuerKeys(today: day) }

  @Test func `a key is made for each quarter, stays, and is kept for the next`() throws {
    let first = try keys(today)
    #expect(first.map(\.quarter) == [219])
    #expect(try keys(today).map(\.hash) == first.map(\.hash))
    #expect(try server.permissions("server.issuer") == 0o600)
    let second = try keys(today.adding(91))
    #expect(second.map(\.quarter) == [220, 219])
    #expect(second[1].hash == first[0].hash)
    #expect(second[0].hash != first[0].hash)
    // A clock that goes back finds the newer key, and makes none.
    #expect(try keys(today).map(\.hash) == second.map(\.hash))
    // A server that was away for a year has nothing to keep.
    #expect(try keys(today.adding(400)).map(\.quarter) == [223])
  }

  @Test func `a changed, cut or exposed issuer file is refused, and a deleted one made anew`() throws {
    let first = try keys(today)
    let good = try server.read("server.issuer")
    for index in [0, 1, 5, 300, good.count - 1] {
      var bad = good
      bad[index] ^= 1
      try server.write(bad, to: "server.issuer")
      #expect(throws: ServerStorageError.issuerDamaged) { try keys(today) }
    }
    for count in [0, 3, 100, good.count - 1] {
      try server.write(Array(good.prefix(count)), to: "server.issuer")
      #expect(throws: ServerStorageError.issuerDamaged) { try keys(today) }
    }
    try server.write(good, to: "server.issuer")
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: server.file("server.issuer"))
    #expect(throws: ServerStorageError.keysExposed) { try keys(today) }
    try FileManager.default.removeItem(atPath: server.file("server.issuer"))
    #expect(try keys(today).map(\.hash) != first.map(\.hash))
  }
}
