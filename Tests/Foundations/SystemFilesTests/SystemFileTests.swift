import Foundation
import SystemFiles
import Testing

@Suite struct SystemFileTests {
  private final class Folder {
    let path: String

    init() throws {
      path = FileManager.default.temporaryDirectory.appending(path: "files-\(UUID().uuidString)").path
      try SystemFile.makeDirectory(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }
  }

  private let folder: Folder

  init() throws { folder = try Folder() }

  @Test func `what is made is its owner's alone, and what others may read is told`() throws {
    try SystemFile.create(folder.file("a"), [1, 2, 3])
    try SystemFile.touch(folder.file("b"))
    try SystemFile.replace(folder.file("c"), with: [4])
    for name in ["a", "b", "c"] { #expect(SystemFile.mode(folder.file(name)).map { $0 & 0o777 } == 0o600) }
    #expect(SystemFile.mode(folder.path).map { $0 & 0o777 } == 0o700)
    #expect(try !SystemFile.read(folder.file("a"), limit: 9).isExposed)
    for mode in [0o640, 0o604, 0o620] as [UInt32] {
      try SystemFile.setMode(folder.file("a"), mode)
      #expect(try SystemFile.read(folder.file("a"), limit: 9).isExposed)
    }
    #expect(try SystemFile.names(in: folder.path) == ["a", "b", "c"])
    #expect(SystemFile.isDirectory(folder.path) && !SystemFile.isDirectory(folder.file("a")))
  }

  @Test(.enabled(if: getuid() == 0, "only root can make somebody else's directory"))
  func `what root makes in somebody else's directory is theirs`() throws {
    func give(_ path: String, to user: Int) throws {
      try FileManager.default.setAttributes([.ownerAccountID: user, .groupOwnerAccountID: user], ofItemAtPath: path)
    }
    try give(folder.path, to: 65_534)
    try SystemFile.create(folder.file("a"), [1])
    try SystemFile.touch(folder.file("b"))
    try SystemFile.replace(folder.file("a"), with: [4])
    try SystemFile.makeDirectory(folder.file("c"))
    for name in ["a", "b", "c"] {
      #expect(try FileManager.default.attributesOfItem(atPath: folder.file(name))[.ownerAccountID] as? Int == 65_534, "\(name)")
    }
    // What is there already keeps its owner.
    for name in ["b", "c"] { try give(folder.file(name), to: 0) }
    try SystemFile.touch(folder.file("b"))
    try SystemFile.makeDirectory(folder.file("c"))
    for name in ["b", "c"] {
      #expect(try FileManager.default.attributesOfItem(atPath: folder.file(name))[.ownerAccountID] as? Int == 0, "\(name)")
    }
  }

  @Test func `a file is replaced in one step, whatever a crash has left behind, and the old bytes are gone from where they lay`() throws {
    let file = folder.file("a")
    try SystemFile.create(file, [7, 7, 7])
    try SystemFile.create(file + ".new", [9])
    let old = try #require(FileHandle(forReadingAtPath: file))
    var states: [[UInt8]] = []
    try SystemFile.replace(file, with: [1, 2], erasesOld: true) {
      states.append((try? SystemFile.read(file, limit: 9).bytes) ?? [])
    }
    #expect(states == [[7, 7, 7], [7, 7, 7], [1, 2], [1, 2]], "one content or the other at each step")
    #expect(try old.readToEnd() == Data([0, 0, 0]))
    #expect(!SystemFile.exists(file + ".new"))
    #expect(throws: SystemFailure.self) { try SystemFile.create(file, []) }
  }

  @Test func `a limit is a limit, and the end of a file is its end`() throws {
    let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try SystemFile.create(folder.file("a"), bytes)
    #expect(SystemFile.byteCount(folder.file("a")) == bytes.count)
    for limit in [0, 1, 65_536, 65_537, 199_999, 200_000, 300_000] {
      #expect(try SystemFile.read(folder.file("a"), limit: limit).bytes == Array(bytes.prefix(limit)))
    }
    let handle = try #require(FileHandle(forUpdatingAtPath: folder.file("a")))
    let descriptor = handle.fileDescriptor
    #expect(try DescriptorIO.read(descriptor, at: 199_998, count: 9) == Array(bytes.suffix(2)))
    #expect(try DescriptorIO.read(descriptor, at: 200_000, count: 9).isEmpty)
    try DescriptorIO.write([1, 1, 1], to: descriptor, at: 199_999)
    #expect(try DescriptorIO.read(descriptor, at: 199_997, count: 9) == Array(bytes[199_997..<199_999]) + [1, 1, 1])
  }

  @Test func `refusals say what the system said`() throws {
    #expect { try SystemFile.read(folder.file("none"), limit: 1) } throws: { ($0 as? SystemFailure)?.isMissing == true }
    try SystemFile.touch(folder.file("a"))
    #expect { try SystemFile.create(folder.file("a"), []) } throws: { ($0 as? SystemFailure)?.isExisting == true }
    try SystemFile.remove(folder.file("a"))
    try SystemFile.remove(folder.file("a"))
    #expect(SystemFailure(errno: ENOSPC).isFull && !SystemFailure(errno: EIO).isFull)
    #expect(SystemFile.parent(of: "/a/b/") == "/a" && SystemFile.parent(of: "a") == "." && SystemFile.parent(of: "/") == "/")
  }
}
