import CryptoSuite
import Foundation
import MailboxEngine
import SottoProtocol
import Testing
import WireFormat

@testable import ServerStorage

@Suite struct IssuerFileTests {
  private let server: TemporaryServer
  private let today = Day(number: 219 * QuarterKeys.quarterDays + 5)

  init() throws { server = try TemporaryServer() }

  private func keys(_ day: Day) throws -> [QuarterKeys] { try server.directory.issuerKeys(today: day) }

  @Test func `two keys are made for each quarter, stay, and are kept for the next`() throws {
    let first = try keys(today)
    #expect(first.map(\.quarter) == [219])
    #expect(first[0].publicKeys.entry != first[0].publicKeys.common)
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

  @Test func `a file of version 1 has its keys for common tokens, and one for entry tokens is made once`() throws {
    let made = try keys(today) + keys(today.adding(91))
    let common = [made[0][.common], made[1][.common]]
    var old = ByteWriter()
    old.write(UInt8(1))
    old.write(UInt8(2))
    for (quarter, key) in zip([219, 220] as [UInt32], common) {
      old.write(quarter)
      old.writeVector(key.derBytes)
    }
    try server.write(old.bytes + HashAlgorithm.sha256.hash(old.bytes).prefix(4), to: "server.issuer")
    let read = try keys(today.adding(91))
    #expect(read.map(\.quarter).sorted() == [219, 220])
    for (number, key) in zip([219, 220] as [UInt32], common) {
      let found = try #require(read.first { $0.quarter == number })
      #expect(found.publicKeys.common.bytes == key.publicKey.modulus)
      #expect(!made.map(\.publicKeys.entry).contains(found.publicKeys.entry))
    }
    #expect(try server.read("server.issuer").first == 2)
    #expect(try keys(today.adding(91)).map(\.hash) == read.map(\.hash))
    #expect(Set(read.map(\.publicKeys.entry)).count == 2)
  }

  @Test func `a changed, cut or exposed issuer file is refused, and a deleted one made anew`() throws {
    let first = try keys(today)
    let good = try server.read("server.issuer")
    for index in [0, 1, 5, 300, 1_500, good.count - 1] {
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
