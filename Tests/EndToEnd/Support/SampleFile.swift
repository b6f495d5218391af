import Foundation

/// A file to send, with different content everywhere.
struct SampleFile {
  /// Stands at the beginning of each 64 KiB.
  static let mark = Array("canary-content-canary-content".utf8)

  let name: String
  let path: String

  init(_ count: Int, named name: String, in scratch: Scratch) throws {
    self.name = name
    let url = scratch.url.appending(path: name)
    path = url.path
    try Data().write(to: url)
    let handle = try FileHandle(forWritingTo: url)
    for (number, start) in stride(from: 0, to: count, by: 65_536).enumerated() {
      var block = Data(repeating: UInt8(truncatingIfNeeded: number), count: 65_536)
      block.replaceSubrange(0..<Self.mark.count, with: Self.mark)
      block[Self.mark.count] = UInt8(truncatingIfNeeded: number >> 8)
      try handle.write(contentsOf: block.prefix(count - start))
    }
    try handle.close()
  }

  func equals(_ other: String) -> Bool { FileManager.default.contentsEqual(atPath: path, andPath: other) }

  /// Changes one byte.
  func change(at offset: UInt64) throws {
    let handle = try FileHandle(forUpdating: URL(filePath: path))
    try handle.seek(toOffset: offset)
    try handle.write(contentsOf: Data([0xFF]))
    try handle.close()
  }

  static func directory(_ name: String, in scratch: Scratch) throws -> String {
    let url = scratch.url.appending(path: name)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    return url.path
  }

  /// Bytes of the files in a directory.
  static func byteCount(in directory: String) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: directory).reduce(0) { sum, name in
      sum + ((try? FileManager.default.attributesOfItem(atPath: "\(directory)/\(name)")[.size] as? Int) ?? 0)
    }
  }
}

extension ServerProcess {
  /// The files of objects, finished or not.
  func objectFiles() throws -> [URL] {
    let root = data.appending(path: "objects")
    return ((try? FileManager.default.subpathsOfDirectory(atPath: root.path)) ?? []).filter { $0.split(separator: "/").count == 4 }
      .map { root.appending(path: $0) }
  }

  func objectCount() throws -> Int { try objectFiles().count }

  /// Bytes of all objects.
  func objectByteCount() throws -> Int {
    try objectFiles().reduce(0) { sum, url in
      sum + ((try? FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int) ?? 0)
    }
  }

  /// The most memory that it has had, KiB.
  func peakKiB() throws -> Int { try processID.map { try Programs.peakKiB($0) } ?? 0 }
}

extension Programs {
  static func peakKiB(_ id: Int32) throws -> Int {
    let status = text(URL(filePath: "/proc/\(id)/status"))
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return line.split(separator: " ").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }.first ?? 0
  }
}

extension Programs.Running {
  /// What it has written to standard error so far.
  var errors: String { Programs.text(errorFile) }

  /// Waits for its end, and gives the most memory that it was seen to have, KiB.
  func peakKiB() throws -> Int {
    var peak = 0
    while process.isRunning {
      peak = max(peak, try Programs.peakKiB(process.processIdentifier))
      usleep(1_000)
    }
    let end = outcome()
    guard end.status == 0 else { throw EndToEndError.failed(command: "file", status: end.status, errors: end.errors) }
    return peak
  }
}
