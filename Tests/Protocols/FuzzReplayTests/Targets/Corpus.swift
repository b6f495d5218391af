import Foundation

/// The inputs in `Fuzzing/Corpus`, which are committed: seeds, and what once broke a target.
public enum Corpus {
  /// `Fuzzing/Corpus`, found from this file, which is compiled from two places.
  static let folder: URL = {
    var folder = URL(filePath: #filePath).absoluteURL
    while folder.pathComponents.count > 1 {
      folder.deleteLastPathComponent()
      let candidate = folder.appending(path: "Fuzzing")
      if FileManager.default.fileExists(atPath: candidate.path) { return candidate.appending(path: "Corpus") }
    }
    preconditionFailure("this file is compiled where it lies")
  }()

  /// All inputs of a target, by name.
  public static func inputs(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
    let folder = folder.appending(path: target.rawValue)
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
      (name, Array(try Data(contentsOf: folder.appending(path: name))))
    }
  }

  /// Replaces all seeds, and leaves the rest of the corpus alone.
  ///
  /// The live group is made anew with its seeds, for messages belong to one group.
  ///
  /// - Returns: how many files were written.
  public static func writeSeeds() throws -> Int {
    let files = FileManager.default
    try files.createDirectory(at: folder, withIntermediateDirectories: true)
    var count = 0
    for target in FuzzTarget.allCases {
      let folder = folder.appending(path: target.rawValue)
      try files.createDirectory(at: folder, withIntermediateDirectories: true)
      for old in try files.contentsOfDirectory(atPath: folder.path) where old.hasPrefix(seedPrefix) {
        try files.removeItem(at: folder.appending(path: old))
      }
      for seed in try target.makeSeeds() {
        try Data(seed.bytes).write(to: folder.appending(path: seedPrefix + seed.name))
        count += 1
      }
    }
    return count
  }

  /// Seeds are told from findings by their name.
  private static let seedPrefix = "seed-"

  static func write(_ bytes: [UInt8], to name: String) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data(bytes).write(to: folder.appending(path: name))
  }

  static func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appending(path: name))) }
}
