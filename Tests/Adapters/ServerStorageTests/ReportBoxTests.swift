import Foundation
import Testing

@testable import ServerStorage

@Suite struct ReportBoxTests {
  @Test func `what a crash left of a report is removed, and no report is`() throws {
    let server = try TemporaryServer()
    let box = server.directory.reports
    try box.removeLeftovers()
    try box.start(publicKey: [1])
    try box.add([2], day: 20_000)
    let name = try #require(try box.folder.list().first?.name)
    try server.write([3], to: "reports/\(String(name.reversed())).new")
    #expect(try box.folder.list().map(\.name) == [name])
    try box.removeLeftovers()
    #expect(try FileManager.default.contentsOfDirectory(atPath: server.file("reports")) == [name])
    #expect(try box.folder.read(name) == [2])
  }

  @Test func `a backup has the reports, and nothing that was only begun`() throws {
    let server = try TemporaryServer()
    try server.openStore().close()
    let box = server.directory.reports
    try box.start(publicKey: [1])
    try box.add([2], day: 20_000)
    try server.write([3], to: "reports/\(String(repeating: "a", count: 32)).new")
    try server.directory.backUp(to: server.file("copy"), parts: .everything)
    let names = try box.folder.list().map(\.name)
    #expect(try FileManager.default.contentsOfDirectory(atPath: server.file("copy/reports")) == names)
  }

  @Test func `a copied folder is read as it is, whoever may read it`() throws {
    let server = try TemporaryServer()
    let box = server.directory.reports
    try box.start(publicKey: [1])
    try box.add([2], day: 20_000)
    let copy = server.file("copy")
    try FileManager.default.copyItem(atPath: server.file("reports"), toPath: copy)
    let name = try #require(try ReportFolder(copy).list().first?.name)
    #expect(try box.folder.list().first?.day == 20_000)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: "\(copy)/\(name)")
    #expect(try ReportFolder(copy).read(name) == [2])
    #expect(throws: ServerStorageError.missing) { try ReportFolder(copy).read(String(name.reversed())) }
    // Names are printed where the key is, and whoever is in the server chooses them.
    for strange in ["\u{1B}]0;owned\u{07}", "ABCDEF"] {
      try server.write([3], to: "copy/\(strange.padding(toLength: 32, withPad: "0", startingAt: 0))")
    }
    #expect(try ReportFolder(copy).list().map(\.name) == [name])
    #expect(!ReportFolder(server.file("nowhere")).exists)
  }
}
