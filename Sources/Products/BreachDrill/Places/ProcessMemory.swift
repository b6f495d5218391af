import Foundation

/// The memory of another process, as Linux shows it to its parent and to root.
struct ProcessMemory {
  /// A range of addresses that may be read.
  struct Region: Equatable {
    var range: Range<UInt64>
    var name: String
  }

  /// Bytes of the list of regions, at most: tens of thousands of them.
  private static let mapsByteCount = 4 << 20

  let process: Int32

  /// What the process may have written to: writable memory, and memory behind which no file stands.
  ///
  /// The program's own code and constants are mapped from files that its users have anyway.
  func regions() -> [Region] {
    // The system hands it out page by page; what looks for the size of the file first takes the first of them for all.
    guard let file = Haystack.open("/proc/\(process)/maps", label: "maps") else { return [] }
    defer { file.close() }
    return String(decoding: file.beginning(byteCount: Self.mapsByteCount), as: UTF8.self).split(separator: "\n").compactMap {
      Self.region(String($0))
    }
  }

  /// Reads a line of `/proc/PID/maps`: `start-end rwxp offset device inode path`.
  static func region(_ line: String) -> Region? {
    let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
    guard fields.count >= 5 else { return nil }
    let bounds = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
    guard bounds.count == 2, bounds[0] < bounds[1], bounds[1] <= UInt64(Int64.max) else { return nil }
    let name = fields.count > 5 ? fields[5].trimmingCharacters(in: .whitespaces) : ""
    guard fields[1].hasPrefix("r"), !["[vvar]", "[vvar_vclock]", "[vdso]", "[vsyscall]"].contains(name) else { return nil }
    let isOfFile = name.hasPrefix("/") && fields[1].dropFirst().hasPrefix("-")
    return isOfFile ? nil : Region(range: bounds[0]..<bounds[1], name: name)
  }

  /// Searches all of it.
  ///
  /// - Returns: why nothing could be searched, or nil.
  func search(_ search: CanarySearch, into findings: inout Findings) -> String? {
    let regions = regions()
    guard !regions.isEmpty, let memory = Haystack.open("/proc/\(process)/mem", label: "memory") else {
      return "the system does not let this user read the memory of the server's process"
    }
    defer { memory.close() }
    for region in regions { memory.search(search, in: region.range, into: &findings) }
    return nil
  }
}

/// Where the system puts core files.
enum CoreFiles {
  /// The pattern, as Linux has it (core(5)).
  static var pattern: String {
    let bytes = FileManager.default.contents(atPath: "/proc/sys/kernel/core_pattern") ?? Data()
    return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Whether they lie in the directory of the process that crashed.
  static func areInWorkingDirectory(_ pattern: String) -> Bool { !pattern.isEmpty && !pattern.hasPrefix("|") && !pattern.contains("/") }

  /// The largest file in a folder that was made for nothing else.
  static func find(in folder: URL) -> URL? {
    let keys: Set<URLResourceKey> = [.fileSizeKey]
    let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: Array(keys))) ?? []
    return files.max { size($0) < size($1) }
  }

  private static func size(_ file: URL) -> Int { (try? file.resourceValues(forKeys: [.fileSizeKey]).fileSize) ?? 0 }
}
