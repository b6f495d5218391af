import Foundation
import MailboxEngine
import SottoProtocol
import Testing

@testable import ServerStorage

/// A backup copies the files of objects while a server goes on to move them.
@Suite struct ObjectCopyTests {
  private let name = String(repeating: "ab", count: 32)
  private let neighbour = String(repeating: "ac", count: 32)
  private let files = FileManager.default

  /// Makes a tree with one object that moves and others that stay.
  private func makeTree(_ first: String) throws -> TemporaryServer {
    let server = try TemporaryServer()
    for (place, name) in [(first, name), ("open/20001", neighbour), ("kept/20010", "ad" + neighbour.dropFirst(2))] {
      try put(server, place, name)
    }
    return server
  }

  private func path(_ server: TemporaryServer, _ place: String, _ name: String, in tree: String = "objects") -> String {
    server.file("\(tree)/\(place)/\(name.prefix(2))/\(name)")
  }

  private func put(_ server: TemporaryServer, _ place: String, _ name: String) throws {
    let path = path(server, place, name)
    try files.createDirectory(atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(name.utf8).write(to: URL(filePath: path))
  }

  private func move(_ server: TemporaryServer, from old: String, to new: String) throws {
    let path = path(server, new, name)
    try files.createDirectory(atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try files.moveItem(atPath: self.path(server, old, name), toPath: path)
  }

  private func copies(_ server: TemporaryServer) throws -> [String] {
    try files.subpathsOfDirectory(atPath: server.file("copy")).map { ($0 as NSString).lastPathComponent }.filter { $0.count == 64 }
  }

  @Test(arguments: [
    ["open/20001", "kept/20030"], ["open/20001", "kept/20000"], ["open/20001", "open/20002"],
    ["open/20001", "open/20002", "kept/20010"],
  ])
  func `whenever an object moves while it is copied, it is in the copy once and whole`(_ places: [String]) throws {
    // More than there are looks: then the object stays where it is.
    let lookCount = 25
    for first in 0..<lookCount {
      for second in places.count == 3 ? first..<lookCount : first..<first + 1 {
        let server = try makeTree(places[0])
        var looks = 0
        var failures: [any Error] = []
        var copy = ObjectCopy(from: server.file("objects"), to: server.file("copy")) {
          do {
            if looks == first { try move(server, from: places[0], to: places[1]) }
            if looks == second, places.count == 3 { try move(server, from: places[1], to: places[2]) }
          } catch { failures.append(error) }
          looks += 1
        }
        try copy.run()
        #expect(failures.isEmpty && looks < lookCount)
        #expect(try copies(server).sorted() == [name, neighbour, "ad" + neighbour.dropFirst(2)], "moved before looks \(first), \(second)")
        let place = places.first { files.fileExists(atPath: path(server, $0, name, in: "copy")) }
        #expect(try place.map { try String(contentsOfFile: path(server, $0, name, in: "copy"), encoding: .utf8) } == name)
      }
    }
  }

  @Test func `a day that expires while it is copied is no loss`() throws {
    for look in 0..<25 {
      let server = try makeTree("kept/20009")
      var looks = 0
      var copy = ObjectCopy(from: server.file("objects"), to: server.file("copy")) {
        if looks == look { for day in ["open/20001", "kept/20009"] { try? files.removeItem(atPath: server.file("objects/\(day)")) } }
        looks += 1
      }
      try copy.run()
      #expect(try copies(server).contains("ad" + neighbour.dropFirst(2)))
    }
  }

  @Test func `a server that is restored goes on with what was begun and has what was finished`() async throws {
    let (server, other) = (try TemporaryServer(), try TemporaryServer())
    let today = Day(number: 20_000)
    try server.openStore().close()
    let store = try server.directory.openObjects(quota: 1 << 20)
    let names = (UInt8(1)...2).map { StoredName(trusted: [UInt8](repeating: $0, count: 32)) }
    for name in names {
      _ = try await store.create(NewObject(name: name, byteCount: 3, days: 3), today: today)
      _ = try await store.write([1, 2], to: name, at: 0, today: today)
    }
    _ = try await store.write([3], to: names[1], at: 2, today: today)
    _ = try await store.finish(names[1], today: today)
    try server.directory.backUp(to: server.file("copy"), parts: .everything)
    try other.directory.restore(from: server.file("copy"), keys: nil)
    let restored = try other.directory.openObjects(quota: 1 << 20)
    #expect(try await restored.state(of: names[0], today: today) == ObjectState(byteCount: 2, isFinished: false))
    #expect(try await restored.read(names[1], at: 0, count: 3, today: today) == [1, 2, 3])
  }
}
